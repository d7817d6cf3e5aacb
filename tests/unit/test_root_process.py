"""Root's commands run in one process per connection as they would run one by one."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import paramiko
import pytest
from gevent import monkey  # type: ignore[import-untyped]
from pyinfra.api import StringCommand
from pyinfra.connectors.util import CommandOutput, OutputLine

from groundcrew import remote
from groundcrew.adapter import root_process
from groundcrew.adapter.root_process import LOST, NotStartedError, RootProcess

CLOSE = monkey.get_original("os", "close")
"""gevent's closes descriptors later."""

ENVIRONMENT = {"PATH": os.environ["PATH"], "SUDO_USER": "deploy"}


class Channel:
    """A channel whose other end is a process of this machine."""

    def __init__(self, *command: str) -> None:
        self.closed = False
        self.sent = 0
        self.limit: float | None = None
        theirs, self.given = os.pipe()
        self.told, output = os.pipe()
        # gevent's subprocess makes pipes of its own that do not wait.
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=output, env=ENVIRONMENT, start_new_session=True
        )
        os.close(theirs)
        os.close(output)

    def sendall(self, data: bytes) -> None:
        self.sent += len(data)
        while data:
            data = data[os.write(self.given, data) :]

    def recv(self, size: int) -> bytes:
        # As a channel's time limit.
        if not select.select([self.told], [], [], self.limit)[0]:
            raise TimeoutError
        return os.read(self.told, size)

    def settimeout(self, seconds: float | None) -> None:
        self.limit = seconds

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            for end in (self.given, self.told):
                CLOSE(end)


@pytest.fixture
def channel() -> Iterator[Channel]:
    text = remote.source("root_process").encode()
    made = Channel("sh", "-c", root_process.command(len(text)).get_raw_value())
    made.sendall(text)
    made.sent = 0
    yield made
    made.close()
    made.process.wait(10)


@pytest.fixture
def process(channel: Channel) -> RootProcess:
    return RootProcess(cast(paramiko.Channel, channel))


def run(
    process: RootProcess, command: StringCommand, timeout: float | None = None, **arguments: Any
) -> tuple[int, CommandOutput]:
    job = root_process._job(command, {**command.connector_arguments, **arguments})
    return process.run(job, timeout, lambda line: None)


def shell(process: RootProcess, text: str, **arguments: Any) -> tuple[int, CommandOutput]:
    return run(process, StringCommand(text), **arguments)


def test_a_command_has_its_status_and_its_lines(process: RootProcess) -> None:
    code, output = shell(process, "echo one; echo two >&2; printf three; exit 7")
    assert code == 7
    assert output.stdout_lines == ["one", "three"]
    assert output.stderr_lines == ["two"]
    assert shell(process, "true") == (0, CommandOutput([]))
    assert shell(process, "kill -9 $$")[0] == 128 + signal.SIGKILL


def test_lines_are_shown_while_it_runs(process: RootProcess) -> None:
    shown: list[OutputLine] = []
    job = root_process._job(StringCommand("echo one; echo é"), {})
    process.run(job, None, shown.append)
    assert shown == [OutputLine("stdout", "one"), OutputLine("stdout", "é")]


def test_each_command_is_as_if_it_were_the_first(process: RootProcess) -> None:
    bare = subprocess.run(
        ["sh", "-c", "env; pwd; grep ^SigIgn /proc/self/status; ls /proc/self/fd"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    for _ in range(3):
        shell(process, "cd /; umask 077; export LEFT=behind; trap '' TERM")
        _, output = shell(process, "env; pwd; grep ^SigIgn /proc/self/status; ls /proc/self/fd")
        assert output.stdout == bare.stdout.strip()
    _, sessions = shell(process, "ps -o sid= -p $$; echo $$")
    assert sessions.stdout_lines[0].strip() == sessions.stdout_lines[1]


def test_a_command_reads_its_own_input_only(process: RootProcess) -> None:
    assert shell(process, "cat", _stdin="one\ntwo")[1].stdout_lines == ["one", "two"]
    assert shell(process, "cat", _stdin=["one", "two\n"])[1].stdout_lines == ["one", "two"]
    # Without input it is at its end, and the next command is not taken for input.
    assert shell(process, "cat; read line || echo end")[1].stdout_lines == ["end"]
    text = "x" * 3_000_000
    assert shell(process, "cat", _stdin=text)[1].stdout == text


def test_directory_and_variables_of_a_command(process: RootProcess) -> None:
    _, output = shell(process, "pwd; echo $NAME", _chdir="/usr", _env={"NAME": "a'b c"})
    assert output.stdout_lines == ["/usr", "a'b c"]


def test_programs_are_sent_once(process: RootProcess, channel: Channel) -> None:
    request = json.dumps([{"path": "/etc/hostname"}])
    command = remote.command("inspect_files", request)
    alone = subprocess.run(
        [sys.executable, "-ISc", remote.script("inspect_files"), request],
        capture_output=True,
        text=True,
        check=False,
    )
    code, output = run(process, command)
    assert (code, output.stdout) == (alone.returncode, alone.stdout.strip())
    first = channel.sent
    assert run(process, command) == (code, output)
    assert channel.sent - first < 1000 < first


def test_programs_get_input_and_arguments_and_leave_nothing_behind(process: RootProcess) -> None:
    payload = {"texts": {}, "reads": [{"command": "echo one"}, {"command": "false"}]}
    for _ in range(2):
        code, output = run(process, remote.command("read_several", payload=payload))
        assert code == 0
        assert json.loads(output.stdout)[0] == {"status": 0, "output": "one\n"}


def test_a_program_that_fails_says_where(process: RootProcess) -> None:
    code, output = run(process, remote.command("inspect_files", "not json"))
    assert code == 1
    assert 'File "groundcrew/remote/inspect_files.py", line' in output.stderr
    assert "JSONDecodeError" in output.stderr_lines[-1]
    assert shell(process, "echo still here")[1].stdout == "still here"


def test_the_end_of_the_process_is_not_that_of_the_command(process: RootProcess) -> None:
    assert shell(process, "echo one")[0] == 0
    code, output = shell(process, "echo begun; kill -9 $PPID; sleep 1")
    assert code == LOST
    assert output.stdout_lines in ([], ["begun"])
    assert process.channel.closed


def test_a_process_that_cannot_start_has_run_nothing() -> None:
    channel = Channel("sh", "-c", "echo 'sudo: a password is required' >&2; exit 1")
    channel.process.wait()
    with pytest.raises(NotStartedError):
        shell(RootProcess(cast(paramiko.Channel, channel)), "true")
    assert channel.closed


def test_time_limits(process: RootProcess) -> None:
    with pytest.raises(TimeoutError):
        run(process, StringCommand("sleep 5"), timeout=0.5)
    assert process.channel.closed


def test_it_ends_with_its_input(channel: Channel, process: RootProcess) -> None:
    assert shell(process, "true")[0] == 0
    channel.close()
    assert channel.process.wait(10) == 0


def test_no_descriptors_are_left_open(channel: Channel, process: RootProcess) -> None:
    for _ in range(5):
        shell(process, "true")
    before = open_files(channel)
    for _ in range(20):
        shell(process, "echo one >&2", _stdin="text")
    assert open_files(channel) == before


def open_files(channel: Channel) -> set[str]:
    """The descriptors of the process."""
    return {entry.name for entry in Path(f"/proc/{channel.process.pid}/fd").iterdir()}
