"""Root's commands run in one process per connection as they would run one by one."""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gevent  # type: ignore[import-untyped]
import paramiko
import pytest
from gevent import monkey
from pyinfra.api import HiddenValue, QuoteString, StringCommand
from pyinfra.api.exceptions import ConnectError
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
        self.last = False
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
        if self.last:
            CLOSE(self.given)
            self.given = os.open(os.devnull, os.O_WRONLY)

    def recv(self, size: int) -> bytes:
        # As a channel's time limit.
        if not select.select([self.told], [], [], self.limit)[0]:
            raise TimeoutError
        return os.read(self.told, size)

    def recv_stderr_ready(self) -> bool:
        return False

    def close_input_soon(self) -> None:
        """Ends what the other end reads, once it has been sent something."""
        self.last = True

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
    process: RootProcess,
    command: StringCommand,
    timeout: float | None = None,
    show: root_process.Show = lambda line: None,
    **arguments: Any,
) -> tuple[int, CommandOutput]:
    arguments = {**command.connector_arguments, **arguments}
    job = root_process._job(command, root_process._shell(command, arguments), arguments)
    given = root_process._text(arguments.get("_stdin"))
    return process.run(job, given, timeout, show)


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
    run(process, StringCommand("echo one; echo é"), show=shown.append)
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


AS_NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"


def test_what_a_command_starts_as_another_user_cannot_change_its_input(
    process: RootProcess,
) -> None:
    """Nor read what has been read already."""
    hostile = "import os; os.pwrite(0, b'from nobody\\n', 0)"
    again = "import os; os.lseek(0, 0, os.SEEK_SET)"
    script = (
        "read first; "
        f'{AS_NOBODY} python3 -c "{hostile}" 2>/dev/null; '
        f'{AS_NOBODY} python3 -c "{again}" 2>/dev/null || echo kept; '
        "read second; echo $first $second"
    )
    code, output = shell(process, script, _stdin="one\ntwo")
    assert (code, output.stdout_lines) == (0, ["kept", "one two"])


def test_what_a_program_starts_does_not_have_its_input(process: RootProcess) -> None:
    payload = {"texts": {}, "reads": [{"command": "cat; readlink /proc/$PPID/fd/0"}]}
    _, output = run(process, remote.command("read_several", payload=payload))
    assert json.loads(output.stdout) == [{"status": 0, "output": "/dev/null\n"}]


def test_input_does_not_stay_in_memory(process: RootProcess, channel: Channel) -> None:
    secret = "-".join(["known", "to", "nobody", "else"])
    shell(process, "cat >/dev/null", _stdin=f"{secret}\n" * 3)
    payload = {"texts": {}, "reads": [], "secret": secret}
    run(process, remote.command("read_several", payload=payload))
    shell(process, "true")
    maps = Path(f"/proc/{channel.process.pid}/maps").read_text().splitlines()
    places = [line.split()[0] for line in maps if line.split()[1].startswith("rw")]
    with Path(f"/proc/{channel.process.pid}/mem").open("rb", buffering=0) as memory:
        for place in places:
            start, end = (int(number, 16) for number in place.split("-"))
            memory.seek(start)
            assert secret.encode() not in memory.read(end - start)


def test_input_that_nobody_reads(process: RootProcess) -> None:
    text = "x" * 300_000
    assert shell(process, "exit 3", _stdin=text)[0] == 3
    assert shell(process, "exec >&- 2>&- <&-; sleep 0.1; exit 4", _stdin=text)[0] == 4
    # One that has closed what it prints to still gets all of it.
    with tempfile.NamedTemporaryFile() as file:
        assert shell(process, f"exec >{file.name} 2>&1; sleep 0.1; cat", _stdin=text)[0] == 0
        assert Path(file.name).read_text().strip() == text
    assert shell(process, "echo still here")[1].stdout == "still here"


def test_long_lines_and_other_bytes(process: RootProcess) -> None:
    _, output = shell(process, r"head -c 9000000 /dev/zero | tr '\0' x; printf '\n\377 \r\n\nend'")
    assert [len(line) for line in output.stdout_lines] == [9_000_000, 3, 0, 3]
    assert output.stdout_lines[1:] == ["\N{REPLACEMENT CHARACTER} \r", "", "end"]


def test_an_interrupted_command_ends_the_process(process: RootProcess) -> None:
    """Else the next command would get its answer."""

    def show(line: OutputLine) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(process, StringCommand("echo one; exit 3"), show=show)
    assert process.channel.closed


def test_what_comes_before_the_process_is_left_out() -> None:
    text = remote.source("root_process").encode()
    start = root_process.command(len(text)).get_raw_value()
    channel = Channel("sh", "-c", f"echo Your password expires.; {start}")
    channel.sendall(text)
    process = RootProcess(cast(paramiko.Channel, channel))
    assert shell(process, "echo one")[1].stdout == "one"
    channel.close()


@pytest.mark.parametrize("text", ["Your password expires.", "e0000", "x1", "r00000000oWelcome"])
def test_another_program_that_answers(text: str) -> None:
    channel = Channel("sh", "-c", f"printf %s '{text}'; cat >/dev/null")
    process = RootProcess(cast(paramiko.Channel, channel))
    channel.close_input_soon()
    if text.startswith("r"):
        code, output = shell(process, "true")
        assert code == LOST
        assert output.stderr == "the connection or root's process was lost while this ran"
    else:
        with pytest.raises(NotStartedError):
            shell(process, "true")
    assert process.channel.closed
    assert channel.process.wait(10) == 0


def test_an_empty_command(process: RootProcess) -> None:
    assert shell(process, "") == (0, CommandOutput([]))


class Connection:
    """A connection whose channels are processes of this machine."""

    def __init__(self, *instead: str) -> None:
        self.instead = instead
        self.opened: list[Channel] = []

    def get_transport(self) -> Connection:
        return self

    def get_username(self) -> str:
        return "deploy"

    def open_session(self) -> Opened:
        gevent.sleep(0.01)
        self.opened.append(Opened(self.instead))
        return cast(Opened, self.opened[-1])


class Opened(Channel):
    """A channel that has run nothing yet."""

    def __init__(self, instead: Sequence[str]) -> None:
        self.instead = instead
        self.closed = False

    def close(self) -> None:
        if hasattr(self, "process"):
            super().close()
        self.closed = True

    def exec_command(self, command: str) -> None:
        gevent.sleep(0.01)
        words = self.instead or ("sh", "-c", command.removeprefix("sudo -H -n "))
        super().__init__(*words)


@dataclass
class Connector:
    """As much of a connector as the process needs."""

    client: Connection
    before: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def host(self) -> Any:
        data = cast(Any, {})
        return SimpleNamespace(
            name="web1", data=data, connector=self, connector_data={}, print_prefix="[web1] "
        )

    def run(self, text: str, **arguments: Any) -> tuple[bool, CommandOutput]:
        """A command of root."""

        def as_before(_: Any, command: StringCommand, **given: Any) -> tuple[bool, CommandOutput]:
            self.before.append((str(command), given))
            return True, CommandOutput([])

        run = root_process.instead(as_before)
        told: tuple[bool, CommandOutput] = run(
            self, StringCommand(text), **{"_sudo": True, **arguments}
        )
        return told


@pytest.fixture
def connector() -> Iterator[Connector]:
    made = Connector(Connection())
    yield made
    for channel in made.client.opened:
        channel.close()


def test_the_first_command_of_root_starts_the_process(connector: Connector) -> None:
    for _ in range(2):
        good, output = connector.run("echo $0")
        assert (good, output.stdout) == (True, "sh")
    assert len(connector.client.opened) == 1
    assert connector.run("exit 3")[0] is False
    assert connector.run("exit 3", _success_exit_codes=[3])[0] is True
    assert connector.before == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"_sudo": False},
        {"_sudo_user": "shop"},
        {"_sudo_password": "x"},
        {"_su_user": "shop"},
        {"_get_pty": True},
        {"_shell_executable": "bash"},
    ],
)
def test_others_commands_run_as_before(connector: Connector, arguments: dict[str, Any]) -> None:
    connector.run("true", **arguments)
    assert [command for command, _ in connector.before] == ["true"]
    assert connector.client.opened == []


def test_two_commands_at_once(connector: Connector) -> None:
    """The second does not wait, and gets no answer of the first; nor does one that comes while the
    process starts."""
    for _ in range(3):
        both = [gevent.spawn(connector.run, f"sleep 0.1; echo {text}") for text in ("a", "b")]
        gevent.joinall(both, raise_error=True)
        answers = [greenlet.value[1].stdout for greenlet in both]
        assert sorted(answers) in (["", "a"], ["", "b"])
    assert len(connector.before) == 3
    assert len([channel for channel in connector.client.opened if not channel.closed]) == 1


def test_where_the_process_cannot_start_a_command_runs_as_before() -> None:
    connector = Connector(Connection("sh", "-c", "echo 'sudo: a password is required' >&2"))
    given = io.StringIO("one\ntwo\n")
    for _ in range(2):
        connector.run("cat", _stdin=given)
    assert len(connector.client.opened) == 1
    assert connector.before[0][1]["_stdin"] == "one\ntwo\n"


def test_the_journal_gets_no_secret() -> None:
    secret = StringCommand("login", QuoteString(HiddenValue("hunter2")))
    job = root_process._job(secret, root_process._shell(secret, {}), {})
    assert "hunter2" in job["command"]
    assert "hunter2" not in job["told"]
    program = remote.command("inspect_files", "{}", payload={"password": "hunter2"})
    job = root_process._job(program, root_process._shell(program, {}), {})
    assert job["told"] == "groundcrew.remote.inspect_files {}"


@pytest.mark.parametrize(
    ("value", "wanted"), [(True, True), ("yes", True), (None, True), (False, False), ("no", False)]
)
def test_the_switch(value: object, wanted: bool) -> None:
    host: Any = SimpleNamespace(data={"root_process": value})
    assert root_process.wanted(host) is wanted
    host.data["root_process"] = "flase"
    with pytest.raises(ConnectError, match="root_process is 'flase', and must be true or false"):
        root_process.wanted(host)
