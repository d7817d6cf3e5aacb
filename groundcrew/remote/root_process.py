"""Runs the commands of a connection, one after the other, each in a process of its own.

A command of SSH starts a login shell, sudo, a shell and, nearly always, python3, which imports and
compiles what it runs. This process is started that way once. It gets commands on its input and runs
each as sudo would have run it: in a session of its own, with the environment, the directory and the
umask that this process has. Programs of this package run in a copy of this process, which has
compiled them and imported what they import. Standard library only, Python 3.9 or later.

Input: frames, each 8 hexadecimal digits (a length in bytes) and a JSON object:

- `stdin`: text
- `command`: a shell command, or
- `program`, `modules`, `arguments` as in `read_several.py`, and `texts`: module -> its text, for
  those modules that have not been sent before

Output: frames, each a letter, 8 hexadecimal digits and as many bytes: `r` (ready, once), `o` and
`e` (what the command printed to its output and its errors), `x` (its exit status in decimal; the
command is over). When its input ends, it ends; a command that it still runs goes on by itself.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import linecache
import os
import re
import select
import signal
import sys
import syslog
import types
from pathlib import Path
from typing import Any

TEXTS: dict[str, str] = {}
CODES: dict[str, types.CodeType] = {}
IMPORTS = re.compile(r"^(?:import|from) +([\w.]+)", re.MULTILINE)
PART = 1 << 16
LOGGED = 500
"""Characters of a command that are logged."""


def main() -> dict[str, Any] | None:
    """Runs commands until the input ends. Returns in the process of a program: what it runs."""
    _send(b"r", b"")
    while True:
        head = _read(8)
        if head is None:
            return None
        body = _read(int(head, 16))
        if body is None:
            return None
        job = json.loads(body)
        _log(job)
        _learn(job.get("texts", {}))
        # What is there is not looked at again: the copies share more of their memory.
        gc.freeze()
        outputs = (os.pipe(), os.pipe())
        process = os.fork()
        if process == 0:
            _become(job["stdin"], outputs[0][1], outputs[1][1])
            if "command" not in job:
                mine: dict[str, Any] = job
                return mine
            _shell(job["command"])
        os.close(outputs[0][1])
        os.close(outputs[1][1])
        if not _pass_on({outputs[0][0]: b"o", outputs[1][0]: b"e"}):
            return None
        _, status = os.waitpid(process, 0)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        _send(b"x", b"%d" % code)


def _log(job: dict[str, Any]) -> None:
    """Notes the command where sudo would have noted it."""
    user = os.environ.get("SUDO_USER", "root")
    text = job.get("command") or " ".join([job["program"], *job["arguments"]])
    syslog.openlog("groundcrew", facility=syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_NOTICE, f"{user} : USER=root ; COMMAND={text[:LOGGED]!r}")


def _learn(texts: dict[str, str]) -> None:
    """Compiles modules and imports what they import from the standard library."""
    TEXTS.update(texts)
    for name, text in texts.items():
        # What this host's Python cannot do is told by the program that needs it.
        with contextlib.suppress(SyntaxError, ValueError):
            _code(name)
        for imported in IMPORTS.findall(text):
            if imported.split(".")[0] not in ("groundcrew", "__future__"):
                with contextlib.suppress(Exception):
                    importlib.import_module(imported)


def _code(name: str) -> types.CodeType:
    """A module's code. Tracebacks show its lines."""
    if name not in CODES:
        text, file = TEXTS[name], name.replace(".", "/") + ".py"
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)
        CODES[name] = compile(text, file, "exec", dont_inherit=True)
    return CODES[name]


def _become(text: str, output: int, errors: int) -> None:
    """Makes this process the command's."""
    os.setsid()
    # In memory: it may be a secret.
    given = os.memfd_create("stdin", 0)
    with open(given, "wb", closefd=False) as file:
        file.write(text.encode())
    os.lseek(given, 0, os.SEEK_SET)
    for number, source in enumerate((given, output, errors)):
        os.dup2(source, number)
    os.closerange(3, max(given, output, errors) + 1)


def _shell(command: str) -> None:
    """Becomes a shell that runs the command."""
    # Python ignores these, and sets LC_CTYPE in its environment.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    variables = Path("/proc/self/environ").read_bytes().split(b"\0")
    environment = dict(item.split(b"=", 1) for item in variables if b"=" in item)
    try:
        os.execvpe("sh", ["sh", "-c", command], environment)  # noqa: S606 - this is the shell
    except OSError as error:
        os.write(2, f"sh: {error.strerror}\n".encode())
        os._exit(127)


def _pass_on(kinds: dict[int, bytes]) -> bool:
    """Passes on what a command prints until it has closed both; False if the input has ended."""
    waiting = select.poll()
    for number in kinds:
        waiting.register(number, select.POLLIN)
    waiting.register(0, select.POLLHUP)
    left = set(kinds)
    while left:
        for number, _ in waiting.poll():
            if number == 0:
                return False
            data = os.read(number, PART)
            if data:
                _send(kinds[number], data)
            else:
                waiting.unregister(number)
                os.close(number)
                left.discard(number)
    return True


def _read(size: int) -> bytes | None:
    """So many bytes of the input; None at its end."""
    data = b""
    while len(data) < size:
        part = os.read(0, size - len(data))
        if not part:
            return None
        data += part
    return data


def _send(kind: bytes, data: bytes) -> None:
    frame = b"%b%08x%b" % (kind, len(data), data)
    while frame:
        frame = frame[os.write(1, frame) :]


def run(job: dict[str, Any]) -> None:
    """Runs a program in this process, as `python3 -ISc` would run it."""
    sys.argv = ["-c", *job["arguments"]]
    for name in job["modules"]:
        parts = name.split(".")
        for end in range(1, len(parts)):
            above = ".".join(parts[:end])
            sys.modules.setdefault(above, types.ModuleType(above))
        module = sys.modules[name] = types.ModuleType(name)
        exec(_code(name), module.__dict__)  # noqa: S102 - it came from the operator
    code = _code(job["program"])
    names = sys.modules["__main__"].__dict__
    for name in [name for name in names if not name.startswith("__")]:
        del names[name]
    exec(code, names)  # noqa: S102


if __name__ == "__main__":
    JOB = None
    # The operator's connection is gone.
    with contextlib.suppress(BrokenPipeError):
        JOB = main()
    if JOB is not None:
        run(JOB)
