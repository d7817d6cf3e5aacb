"""Runs root's commands on a host in one process, `groundcrew/remote/root_process.py`.

pyinfra starts each command through a login shell, sudo and a shell; that and the start of python3
are most of what a short command costs the host. So the first command of root on a connection starts
a process as pyinfra would start the command, and it and all that follow are sent to that process.

These run as before: commands of other users, with a terminal or with sudo's password, on a host
whose process cannot be started or has ended, and while another command is in the process.
`root_process: false` in a host's data switches it off.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gevent.lock import BoundedSemaphore  # type: ignore[import-untyped]
from paramiko import Channel, SSHException, Transport
from pyinfra import logger
from pyinfra.api import Host, QuoteString, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.output import echo, format_text
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import CommandOutput, OutputLine, make_unix_command

from groundcrew import remote
from groundcrew.transport import ROOT_PROCESS, connected_user, switched

PROCESS = "groundcrew_root_process"
UMASK = "022"
NAME = "groundcrew-root-process"
"""What the host's list of processes shows, after the program that reads the process's text."""
BEGIN = """\
import os, sys
size, text = int(sys.argv[1]), b""
while len(text) < size:
    part = os.read(0, size - len(text))
    if not part:
        sys.exit(1)
    text += part
exec(text)
"""
LOST = -1
"""Exit status of a command whose connection is gone, as paramiko tells it."""

NAMES = {b"o": "stdout", b"e": "stderr"}
"""Kinds of frames, and what pyinfra calls what is in them."""

READY = b"r00000000"
"""The first frame."""

SIZE = re.compile(rb"[0-9a-f]{8}")
TOLD = 500
"""Characters of a command in the host's journal."""

NOT_ROOT = (
    "_sudo_user",
    "_sudo_password",
    "_use_sudo_login",
    "_preserve_sudo_env",
    "_su_user",
    "_doas",
    "_dzdo",
    "_get_pty",
)
"""Arguments of a command that another user runs, or root in another environment."""

Answer = tuple[int, CommandOutput]
Show = Callable[[OutputLine], None]


class NotStartedError(Exception):
    """The process cannot be used, and has run nothing of the command."""


class _LostError(Exception):
    """The process or the connection to it is gone, or it is none of ours that answers."""


class RootProcess:
    """Root's process on one connection."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.ready = False
        self.sent: set[str] = set()
        """Modules that the process knows."""
        self.busy = BoundedSemaphore(1)
        self.received = bytearray()

    def run(self, job: dict[str, Any], given: str, timeout: float | None, show: Show) -> Answer:
        """Runs a command or a program, with this input. Raises TimeoutError, and NotStartedError.
        Whatever it raises, the process is closed: it may still be at work."""
        deadline = None if timeout is None else time.monotonic() + timeout
        lines = Lines(show)
        try:
            self._send(job, given)
            if not self.ready:
                self._begin(deadline)
            while True:
                kind, data = self._frame(deadline)
                if kind == b"x":
                    return int(data), lines.end()
                lines.add(NAMES[kind], data)
        except _LostError:
            if not self.ready:
                self.close()
                raise NotStartedError from None
            # A traceback of the process, if it has left one.
            told = self.channel.recv_stderr(1 << 16) if self.channel.recv_stderr_ready() else b""
            lines.add(
                "stderr", told + b"the connection or root's process was lost while this ran\n"
            )
            self.close()
            return LOST, lines.end()
        except BaseException:
            self.close()
            raise

    def _send(self, job: dict[str, Any], given: str) -> None:
        names = [*job.get("modules", ()), job.get("program")]
        texts = {name: remote.text_of(name) for name in names if name and name not in self.sent}
        body, given_bytes = json.dumps({**job, "texts": texts}).encode(), given.encode()
        with _losing():
            self.channel.settimeout(None)
            self.channel.sendall(b"%08x%08x" % (len(body), len(given_bytes)) + body + given_bytes)
        self.sent |= texts.keys()

    def _begin(self, deadline: float | None) -> None:
        """Waits until the process is ready. What comes before that is not ours, such as what PAM
        tells users of sudo."""
        while (place := self.received.find(READY)) < 0:
            self._receive(deadline)
        del self.received[: place + len(READY)]
        self.ready = True

    def _frame(self, deadline: float | None) -> tuple[bytes, bytes]:
        """The next frame."""
        head = self._read(9, deadline)
        kind, size = head[:1], head[1:]
        if kind not in (b"x", *NAMES) or not SIZE.fullmatch(size):
            raise _LostError
        return kind, self._read(int(size, 16), deadline)

    def _receive(self, deadline: float | None) -> None:
        with _losing():
            if deadline is not None:
                self.channel.settimeout(max(deadline - time.monotonic(), 0.001))
            part = self.channel.recv(1 << 16)
        if not part:
            raise _LostError
        self.received += part

    def _read(self, size: int, deadline: float | None) -> bytes:
        while len(self.received) < size:
            self._receive(deadline)
        data = bytes(self.received[:size])
        del self.received[:size]
        return data

    def close(self) -> None:
        """Ends the process; a command that is in it goes on."""
        self.channel.close()


@contextmanager
def _losing() -> Iterator[None]:
    """Tells errors of a connection from others."""
    try:
        yield
    except TimeoutError:
        raise
    except (SSHException, OSError, EOFError) as error:
        raise _LostError from error


class Lines:
    """The lines that a command prints, as pyinfra notes them."""

    def __init__(self, show: Show) -> None:
        self.show = show
        self.lines: list[OutputLine] = []
        self.begun: dict[str, list[bytes]] = {}

    def add(self, name: str, data: bytes) -> None:
        """Notes what was printed; the last line may have no end yet."""
        first, *more = data.split(b"\n")
        begun = self.begun.setdefault(name, [])
        begun.append(first)
        for part in more:
            self._note(name, b"".join(begun))
            begun[:] = [part]

    def end(self) -> CommandOutput:
        """All lines."""
        for name, begun in self.begun.items():
            if any(begun):
                self._note(name, b"".join(begun))
            begun.clear()
        return CommandOutput(self.lines)

    def _note(self, name: str, line: bytes) -> None:
        self.lines.append(OutputLine(name, line.decode("utf-8", errors="replace")))
        self.show(self.lines[-1])


def instead(run: Callable[..., Any]) -> Callable[..., Any]:
    """`SSHConnector.run_shell_command` that uses the process where it can."""

    def run_in_process(
        self: SSHConnector,
        command: StringCommand,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> tuple[bool, CommandOutput]:
        def as_before() -> tuple[bool, CommandOutput]:
            done: tuple[bool, CommandOutput] = run(
                self, command, print_output=print_output, print_input=print_input, **arguments
            )
            return done

        process = _process(self, arguments) if _for_root(self, arguments) else None
        if process is None:
            return as_before()

        def show(line: OutputLine) -> None:
            if print_output:
                red = line.buffer_name == "stderr"
                text = format_text(line.line, "red") if red else line.line
                echo(f"{self.host.print_prefix}{text}", err=True)

        try:
            # A file can be read once.
            arguments["_stdin"] = given = _text(arguments.get("_stdin"))
            shell = _shell(command, arguments)
            logger.debug("Running command on %s as root: %s", self.host.name, shell)
            if print_input:
                echo(f"{self.host.print_prefix}>>> {shell}", err=True)
                print_input = False
            job = _job(command, shell, arguments)
            code, output = process.run(job, given, arguments.get("_timeout"), show)
        except NotStartedError:
            return as_before()
        finally:
            process.busy.release()
        logger.debug("Command exit status: %i", code)
        return code in (arguments.get("_success_exit_codes") or (0,)), output

    return run_in_process


def end(transport: Transport) -> bool:
    """Ends the connection's process, for good; False if there is none. Other sessions can take its
    place: a server may allow few."""
    process: RootProcess | None = getattr(transport, PROCESS, None)
    if process is None or process.channel.closed or process.busy.locked():
        return False
    process.close()
    return True


def wanted(host: Host) -> bool:
    """Whether the host's data let root's commands run in one process. Raises ConnectError for a
    value that is neither true nor false."""
    value = host.data.get(ROOT_PROCESS)
    on = True if value is None else switched(value)
    if on is None:
        message = f"{ROOT_PROCESS} is {value!r}, and must be true or false: fix it in the data"
        raise ConnectError(message)
    return on


def _for_root(connector: SSHConnector, arguments: dict[str, Any]) -> bool:
    if any(arguments.get(name) for name in NOT_ROOT):
        return False
    if connector.host.connector_data.get("prompted_sudo_password"):
        return False
    if not wanted(connector.host):
        return False
    if arguments.get("_shell_executable") not in (None, "sh"):
        return False
    return bool(arguments.get("_sudo")) or connected_user(connector.host) == "root"


def _process(connector: SSHConnector, arguments: dict[str, Any]) -> RootProcess | None:
    """The connection's process, which is busy from now on; the first command starts it. None if it
    has ended, or another command is in it."""
    transport = connector.client.get_transport() if connector.client else None
    if transport is None:
        return None
    process: RootProcess | None = getattr(transport, PROCESS, None)
    if process is not None:
        if process.channel.closed or not process.busy.acquire(blocking=False):
            return None
        return process
    text = remote.source("root_process").encode()
    start = make_unix_command(command(len(text)), _sudo=bool(arguments.get("_sudo")))
    try:
        process = RootProcess(transport.open_session())
        process.busy.acquire()
        if getattr(transport, PROCESS, None) is not None:
            # Another command was faster.
            process.close()
            return None
        setattr(transport, PROCESS, process)
        process.channel.exec_command(start.get_raw_value())
        process.channel.sendall(text)
    except (SSHException, OSError, EOFError):
        if process is not None:
            process.close()
            process.busy.release()
        return None
    return process


def command(size: int) -> StringCommand:
    """Starts the process, whose text of `size` bytes comes on its input: sudo logs commands."""
    given = QuoteString(BEGIN)
    return StringCommand(f"umask {UMASK}; exec python3 -ISc", given, str(size), NAME)


def _shell(command: StringCommand, arguments: dict[str, Any]) -> StringCommand:
    """The shell command, with its variables and its directory."""
    env, chdir = arguments.get("_env"), arguments.get("_chdir")
    return make_unix_command(command, _env=env, _chdir=chdir, _shell_executable=None)


def _job(command: StringCommand, shell: StringCommand, arguments: dict[str, Any]) -> dict[str, Any]:
    """What the process runs: a program as such, if nothing is around it. The journal gets what is
    shown to people, without secrets."""
    alone = not arguments.get("_env") and not arguments.get("_chdir")
    if isinstance(command, remote.Program) and alone:
        program = remote.module_of(command.program)
        return {
            "told": " ".join([program, *command.arguments])[:TOLD],
            "program": program,
            "modules": remote.needed_by(command.program, *command.modules),
            "arguments": command.arguments,
        }
    return {"told": str(shell)[:TOLD], "command": shell.get_raw_value()}


def _text(given: Any) -> str:
    """The text of a command's input, as pyinfra's `write_stdin` makes it."""
    if not given:
        return ""
    if hasattr(given, "readlines"):
        given = given.readlines()
    lines = given if isinstance(given, (list, tuple)) else [given]
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
