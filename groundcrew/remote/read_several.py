"""Runs several programs and commands that only read, side by side, and prints what each printed.

Programs of this package run one after the other in as many processes as there are processors. They
share what this process has imported and compiled, since starting and compiling is most of what they
cost. Standard library only, Python 3.9 or later.

Input, as JSON:

- `texts`: module -> its text
- `reads`: what to run; each has either `command`, a shell command, or `program` with its `modules`
  (names in `texts`, those needed by others first) and `arguments`

Output: one line of JSON, a list with the answer to each read (see groundcrew/facts/several.py).
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import types
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from groundcrew.remote.programs import compiled, load

if TYPE_CHECKING:
    # Types of the reports, shared with the adapter; never sent to a host.
    from groundcrew.facts.several import ReadAnswer


def main(request: dict[str, Any]) -> int:
    """Runs everything; returns the exit status."""
    codes = {name: compiled(name, text) for name, text in request["texts"].items()}
    reads = request["reads"]
    cpus = os.cpu_count() or 1
    waiting = list(_jobs(reads, cpus))
    running: dict[int, tuple[list[int], IO[bytes]]] = {}
    ended: dict[int, ReadAnswer] = {}
    while waiting or running:
        while waiting and len(running) <= cpus:
            job = waiting.pop(0)
            output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - read at its end
            running[_start([reads[number] for number in job], codes, output)] = (job, output)
        process, status = os.waitpid(-1, 0)
        job, output = running.pop(process)
        output.seek(0)
        text = output.read().decode("utf-8", errors="replace")
        output.close()
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
        ended.update(zip(job, _answers(reads[job[0]], code, text)))  # noqa: B905 - Python 3.9
    lost: ReadAnswer = {"status": -1, "output": ""}
    told: list[ReadAnswer] = [ended.get(number, lost) for number in range(len(reads))]
    print(json.dumps(told))
    return 0


def _jobs(reads: list[dict[str, Any]], cpus: int) -> Iterator[list[int]]:
    """The numbers of the reads that a process of their own runs: one command, or several programs.
    A process costs more than most programs."""
    programs = [number for number, read in enumerate(reads) if "program" in read]
    yield from ([number] for number, read in enumerate(reads) if "command" in read)
    yield from (programs[first::cpus] for first in range(min(cpus, len(programs))))


def _answers(read: dict[str, Any], code: int, text: str) -> list[ReadAnswer]:
    """What a process has answered: a command by its output, programs by a line for each."""
    if "command" in read:
        return [{"status": code, "output": text}]
    return [json.loads(line) for line in text.splitlines()]


def _start(reads: list[dict[str, Any]], codes: dict[str, types.CodeType], output: IO[bytes]) -> int:
    """Starts a process for some of the reads; returns its number."""
    if "command" in reads[0]:
        shell = ["sh", "-c", reads[0]["command"]]
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        return os.posix_spawn("/bin/sh", shell, os.environ, file_actions=actions)
    process = os.fork()
    if process:
        return process
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for target in (0, 1, 2):
            os.dup2(null, target)
        for read in reads:
            line = json.dumps(_answer(read, codes)) + "\n"
            os.write(output.fileno(), line.encode())
    finally:
        os._exit(0)


def _answer(read: dict[str, Any], codes: dict[str, types.CodeType]) -> ReadAnswer:
    """Runs a program in this process. What it prints is its answer."""
    sys.stdout = printed = io.StringIO()
    try:
        _run(read, codes)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exception:
        status = 1
    return {"status": status, "output": printed.getvalue()}


def _run(read: dict[str, Any], codes: dict[str, types.CodeType]) -> None:
    """Runs a program in this process, as `python3 -c` would run it."""
    sys.argv = ["-c", *read["arguments"]]
    for name in read["modules"]:
        load(name, codes[name])
    namespace = {"__name__": "__main__", "__builtins__": __builtins__}
    exec(codes[read["program"]], namespace)  # noqa: S102 - it came with this program


if __name__ == "__main__":
    sys.exit(main(json.load(sys.stdin)))
