"""Runs the commands of a connection, one after the other, each in a process of its own.

A command of SSH starts a login shell, sudo, a shell and, nearly always, python3, which imports and
compiles what it runs. This process is started that way once. It gets commands on its input and runs
each as sudo would have run it: in a session of its own, with the environment, the directory and the
umask that this process has. Programs of this package run in a copy of this process, which has
compiled them and imported what they import. Standard library only, Python 3.9 or later.

Input: frames, each two numbers of 8 hexadecimal digits (lengths in bytes), a JSON object and the
command's input. The object has

- `told`: what the journal notes
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
import io
import json
import os
import re
import select
import signal
import sys
import syslog
import types
from pathlib import Path
from typing import Any

from groundcrew.remote.programs import compiled, load

TEXTS: dict[str, str] = {}
CODES: dict[str, types.CodeType] = {}
IMPORTS = re.compile(r"^(?:import|from) +([\w.]+)", re.MULTILINE)
PART = 1 << 16
PATIENCE = 50
"""Milliseconds between two looks whether a command that prints no more has ended."""


def main() -> dict[str, Any] | None:
    """Runs commands until the input ends. Returns in the process of a program: what it runs."""
    _send(b"r", b"")
    while True:
        sizes = _read(16)
        if sizes is None:
            return None
        text, given = _read(int(sizes[:8], 16)), _read(int(sizes[8:], 16))
        if text is None or given is None:
            return None
        job: dict[str, Any] = json.loads(text)
        text[:] = bytes(len(text))
        _log(job["told"])
        _learn(job.get("texts", {}))
        # What is there is not looked at again: the copies share more of their memory.
        gc.freeze()
        status = _program(given) if "program" in job else _command(job["command"], given)
        if status is None:
            return job
        _send(b"x", b"%d" % status)


def _log(told: str) -> None:
    """Notes the command where sudo would have noted it."""
    user = os.environ.get("SUDO_USER", "root")
    syslog.openlog("groundcrew", facility=syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_NOTICE, f"{user} : USER=root ; COMMAND={told!r}")
    # A command closes all descriptors, and its own log must not take another one for this.
    syslog.closelog()


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
    """A module's code, compiled once."""
    if name not in CODES:
        CODES[name] = compiled(name, TEXTS[name])
    return CODES[name]


def _program(given: bytearray) -> int | None:
    """Runs a program in a copy of this process. Returns None there, and its exit status here."""
    outputs = (os.pipe(), os.pipe())
    process = os.fork()
    if process == 0:
        # Its input is nobody else's: what it starts as another user inherits descriptor 0.
        _become(os.open(os.devnull, os.O_RDONLY), outputs[0][1], outputs[1][1])
        sys.stdin = io.TextIOWrapper(io.BytesIO(bytes(given)), encoding="utf-8")
        return None
    return Pipes(outputs, None, given).until_end(process)


def _command(command: str, given: bytearray) -> int:
    """Runs a shell command; returns its exit status."""
    reading, writing = os.pipe()
    outputs = (os.pipe(), os.pipe())
    process = os.fork()
    if process == 0:
        _become(reading, outputs[0][1], outputs[1][1])
        _shell(command)
    os.close(reading)
    os.set_blocking(writing, False)
    return Pipes(outputs, writing, given).until_end(process)


def _become(given: int, output: int, errors: int) -> None:
    """Makes this process the command's."""
    for number, source in ((1, output), (2, errors), (0, given)):
        os.dup2(source, number)
    os.closerange(3, 256)
    os.setsid()


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


class Pipes:
    """A command's input and what it prints."""

    def __init__(
        self,
        outputs: tuple[tuple[int, int], tuple[int, int]],
        writing: int | None,
        given: bytearray,
    ) -> None:
        self.kinds = {outputs[0][0]: b"o", outputs[1][0]: b"e"}
        self.writing, self.given, self.fed = writing, given, 0
        self.waiting = select.poll()
        self.waiting.register(0, select.POLLHUP)
        for reading, theirs in outputs:
            os.close(theirs)
            self.waiting.register(reading, select.POLLIN)
        if writing is None:
            # Nobody reads it here. It may be a secret, and later copies are other programs'.
            given[:] = bytes(len(given))
        else:
            self.waiting.register(writing, select.POLLOUT)

    def until_end(self, process: int) -> int:
        """Passes on until the command ends; returns its exit status."""
        status = None
        while self.kinds or (self.writing is not None and status is None):
            # One that has closed what it prints to may still read.
            for number, _ in self.waiting.poll(None if self.kinds else PATIENCE):
                self._turn(number)
            if not self.kinds:
                status = _ended(process, os.WNOHANG)
        self._fed(len(self.given))
        ended = _ended(process) if status is None else status
        assert ended is not None
        return ended

    def _turn(self, number: int) -> None:
        """Does what is possible at a descriptor. Raises BrokenPipeError if the operator is gone."""
        if number == 0:
            raise BrokenPipeError
        if number == self.writing:
            self._feed(number)
            return
        data = os.read(number, PART)
        if data:
            _send(self.kinds[number], data)
        else:
            self.waiting.unregister(number)
            os.close(number)
            del self.kinds[number]

    def _feed(self, number: int) -> None:
        try:
            part = memoryview(self.given)[self.fed : self.fed + PART]
            self._fed(self.fed + os.write(number, part))
        except BlockingIOError:
            pass
        except BrokenPipeError:
            # It reads no more.
            self._fed(len(self.given))

    def _fed(self, size: int) -> None:
        self.fed = size
        if size == len(self.given) and self.writing is not None:
            self.waiting.unregister(self.writing)
            os.close(self.writing)
            self.writing = None
            self.given[:] = bytes(size)


def _ended(process: int, how: int = 0) -> int | None:
    """The exit status of a process; None if it still runs and nobody waits for it."""
    ended, status = os.waitpid(process, how)
    if not ended:
        return None
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _read(size: int) -> bytearray | None:
    """So many bytes of the input; None at its end."""
    data = bytearray(size)
    view, done = memoryview(data), 0
    while done < size:
        part = os.readv(0, [view[done:]])
        if not part:
            return None
        done += part
    return data


def _send(kind: bytes, data: bytes) -> None:
    frame = b"%b%08x%b" % (kind, len(data), data)
    while frame:
        frame = frame[os.write(1, frame) :]


def run(job: dict[str, Any]) -> None:
    """Runs a program in this process, as `python3 -ISc` would run it."""
    sys.argv = ["-c", *job["arguments"]]
    for name in job["modules"]:
        load(name, _code(name))
    code = _code(job["program"])
    names = sys.modules["__main__"].__dict__
    for name in [name for name in names if not name.startswith("__")]:
        del names[name]
    exec(code, names)  # noqa: S102 - it came from the operator


if __name__ == "__main__":
    JOB = None
    # The operator's connection is gone.
    with contextlib.suppress(BrokenPipeError):
        JOB = main()
    if JOB is not None:
        run(JOB)
