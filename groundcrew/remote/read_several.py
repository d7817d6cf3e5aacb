"""Runs several programs and commands that only read, side by side, and prints what each printed.

Programs of this package run in processes that share what this one has imported and compiled, since
starting and compiling is most of what they cost. Standard library only, Python 3.9 or later.

Input, as JSON:

- `texts`: module -> its text
- `reads`: what to run; each has either `command`, a shell command, or `program` with its `modules`
  (names in `texts`, those needed by others first) and `arguments`

Output: one line of JSON, a list with the answer to each read (see groundcrew/facts/several.py).
"""

from __future__ import annotations

import json
import linecache
import os
import sys
import tempfile
import types
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Types of the reports, shared with the adapter; never sent to a host.
    from groundcrew.facts.several import ReadAnswer


def main(request: dict[str, Any]) -> int:
    """Runs everything; returns the exit status."""
    codes = {name: _compiled(name, text) for name, text in request["texts"].items()}
    at_once = (os.cpu_count() or 1) + 1
    waiting = list(enumerate(request["reads"]))
    running: dict[int, tuple[int, IO[bytes]]] = {}
    ended: dict[int, ReadAnswer] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            number, read = waiting.pop(0)
            output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - read at its end
            running[_start(read, codes, output)] = (number, output)
        process, status = os.waitpid(-1, 0)
        number, output = running.pop(process)
        output.seek(0)
        ended[number] = {
            "status": os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1,
            "output": output.read().decode("utf-8", errors="replace"),
        }
        output.close()
    answers: list[ReadAnswer] = [ended[number] for number in sorted(ended)]
    print(json.dumps(answers))
    return 0


def _compiled(name: str, text: str) -> types.CodeType:
    """A module's code. Tracebacks show its lines."""
    file = name.replace(".", "/") + ".py"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    return compile(text, file, "exec", dont_inherit=True)


def _start(read: dict[str, Any], codes: dict[str, types.CodeType], output: IO[bytes]) -> int:
    """Starts one of them; returns its process."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor, target in ((null, 0), (output.fileno(), 1), (null, 2)):
            os.dup2(descriptor, target)
        if "command" in read:
            os.execv("/bin/sh", ["sh", "-c", read["command"]])  # noqa: S606 - a fact
        _run(read, codes)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        os._exit(status)


def _run(read: dict[str, Any], codes: dict[str, types.CodeType]) -> None:
    """Runs a program in this process, as `python3 -c` would run it."""
    sys.argv = ["-c", *read["arguments"]]
    for name in read["modules"]:
        parts = name.split(".")
        for end in range(1, len(parts)):
            above = ".".join(parts[:end])
            sys.modules.setdefault(above, types.ModuleType(above))
        module = sys.modules[name] = types.ModuleType(name)
        exec(codes[name], module.__dict__)  # noqa: S102 - it came with this program
    namespace = {"__name__": "__main__", "__builtins__": __builtins__}
    exec(codes[read["program"]], namespace)  # noqa: S102


if __name__ == "__main__":
    sys.exit(main(json.load(sys.stdin)))
