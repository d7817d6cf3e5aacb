"""`groundcrew run`, `shell` and `logs -f` on a host, as typed into a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.five import inventory_of
from tests.e2e.harness import LabHost, inside, pyinfra

COMMAND = [sys.executable, "-m", "groundcrew.commands"]
UNITS = "systemctl list-units --all --plain --no-legend 'groundcrew-run-*'"
LEFT = f"{UNITS}; pgrep -f -a '[f]ollow_logs'"


@pytest.fixture(scope="module")
def inventory(bookworm: LabHost, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(inventory_of(tmp_path_factory.mktemp("operator"), bookworm.name))


def run(inventory: str, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """A command without a terminal."""
    name, *rest = words
    return subprocess.run(
        [*COMMAND, name, "-i", inventory, *rest],
        input=given, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, words: list[str]) -> None:
        self.seen = ""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm-256color"
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
            os.execv(words[0], words)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        self.seen = ""
        os.write(self.master, text.encode())

    def until(self, pattern: str, seconds: float = 60) -> str:
        """What is shown until it has the pattern."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.seen):
            assert time.monotonic() < deadline, self.seen
            if select.select([self.master], [], [], 0.2)[0]:
                self.seen += os.read(self.master, 65536).decode(errors="replace")
        return self.seen

    def end(self) -> int:
        """Its exit status."""
        with suppress(OSError):
            while part := os.read(self.master, 65536):
                self.seen += part.decode(errors="replace")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self) -> None:
        """Closes the terminal, as a window that is closed."""
        os.close(self.master)
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@contextmanager
def terminal(*words: str) -> Iterator[Terminal]:
    opened = Terminal([*COMMAND, *words])
    try:
        yield opened
    finally:
        opened.close()


def nothing_left(host: LabHost) -> None:
    """No unit and no process of an operator's command runs any more."""
    deadline = time.monotonic() + 15
    while (left := inside(host, f"{LEFT} || true")) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert left == ""


def test_a_command_runs_as_the_live_release(bookworm: LabHost, inventory: str) -> None:
    script = "import os, sys; print(os.getcwd(), sys.prefix, os.environ['GREETING'], os.getuid())"
    done = run(inventory, "run", "hello", "--", "python", "-c", script)
    release = f"/srv/hello/releases/{bookworm.live('hello')}"
    user = inside(bookworm, "id -u hello").strip()
    assert done.stdout == f"{release}/app {release}/venv good morning {user}\n", done.stderr
    assert done.stderr == f"groundcrew: hello on {bookworm.name}\n"


def test_its_exit_status_input_and_output_are_the_commands_own(inventory: str) -> None:
    assert run(inventory, "run", "hello", "--", "sh", "-c", "exit 7").returncode == 7
    text = "a line\nanother, with 'quotes' and $HOME\n"
    done = run(inventory, "run", "hello", "--", "cat", given=text)
    assert (done.returncode, done.stdout) == (0, text)
    words = run(inventory, "run", "hello", "--", "printf", "%s|", "a b", "", "100%", "$(id)", "é")
    assert words.stdout == "a b||100%|$(id)|é|"
    assert run(inventory, "run", "hello", "--", "no-such-program").returncode == 127


def test_a_hundred_megabytes_come_whole(inventory: str) -> None:
    line = [*COMMAND, "run", "-i", inventory, "hello", "--", "head", "-c", "104857600", "/dev/zero"]
    started = subprocess.Popen(line, stdout=subprocess.PIPE)
    assert started.stdout
    size = sum(len(part) for part in iter(lambda: started.stdout.read(1 << 20), b""))  # type: ignore[union-attr]
    assert (size, started.wait()) == (104857600, 0)


def test_it_has_the_sandbox_of_the_live_unit(bookworm: LabHost, inventory: str) -> None:
    attempts = (
        "touch /srv/hello/current/x",
        "cat /etc/shadow",
        "ls /root",
        "unshare --user true",
        "mount -t tmpfs none /mnt",
    )
    script = "; ".join(f"{attempt} 2>/dev/null && echo can {attempt}" for attempt in attempts)
    done = run(inventory, "run", "hello", "--", "sh", "-c", f"{script}; echo tried")
    assert done.stdout == "tried\n", done.stderr
    names = "User,Group,NoNewPrivileges,ProtectSystem,SystemCallFilter,RestrictAddressFamilies"
    names += ",PrivateTmp,PrivateUsers,PrivateDevices,ReadWritePaths,MemoryMax,TasksMax"
    names += ",IPAddressDeny,CapabilityBoundingSet,UMask,ProtectProc,MemoryDenyWriteExecute"
    names += ",RestrictNamespaces"
    started = subprocess.Popen(
        [*COMMAND, "run", "-i", inventory, "hello", "--", "sleep", "30"], stdin=subprocess.PIPE
    )
    try:
        unit = ""
        while not unit:
            assert started.poll() is None
            unit = inside(bookworm, f"{UNITS} | cut -d' ' -f1").strip()
        live = f"hello@{bookworm.live('hello')}.service"
        own = inside(bookworm, f"systemctl show --property={names} {unit}")
        assert own == inside(bookworm, f"systemctl show --property={names} {live}")
        # The operator's connection is lost: so is the command.
    finally:
        started.kill()
    nothing_left(bookworm)


def test_a_shell_in_a_terminal(bookworm: LabHost, inventory: str) -> None:
    with terminal("shell", "-i", inventory, "hello") as shell:
        shell.until(r"hello@\S+:.*\$ ")
        shell.type("stty size; echo $TERM\n")
        assert "40 100" in shell.until(r"xterm-256color\r")
        shell.resize(50, 120)
        time.sleep(0.5)
        shell.type("stty size\n")
        shell.until("50 120")
        # Ctrl-C ends the program in the shell, and nothing else.
        shell.type("sleep 100; echo was: $?\n")
        time.sleep(0.5)
        shell.type("\x03")
        shell.until(r"\$ ")
        shell.type("tty; exit 9\n")
        assert shell.end() == 9
        assert "/dev/pts/" in shell.seen
    nothing_left(bookworm)


def test_a_terminal_that_is_closed_leaves_nothing(bookworm: LabHost, inventory: str) -> None:
    with terminal("run", "-i", inventory, "hello", "--", "sh", "-c", TRAP) as shell:
        shell.until("trapped")
    nothing_left(bookworm)


TRAP = "trap '' HUP INT TERM; echo trapped; while :; do sleep 1; done"


def test_what_cannot_be_is_told_before_a_connection(inventory: str) -> None:
    done = run(inventory, "run", "helo", "--", "id")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'no host has an application "helo"; did you mean "hello"?' in done.stderr
    done = run(inventory, "shell", "hello", "--host", "web9")
    assert '"web9" is no host that has hello' in done.stderr
    done = run("nowhere.py", "shell", "hello")
    assert "nowhere.py: no such inventory" in done.stderr


def test_logs_are_followed_over_a_release_and_a_rotation(
    bookworm: LabHost, inventory: str, tmp_path: Path
) -> None:
    output = tmp_path / "log"
    with output.open("w") as file:
        # Whatever started the tests may ignore Ctrl-C, which programs inherit.
        started = subprocess.Popen(
            ["env", "--default-signal=INT", *COMMAND, "logs", "-f", "-n", "1", "-i", inventory,
             "hello"],
            stdout=file,
        )  # fmt: skip
    try:
        wait(output, "nginx access: ")
        bookworm.get("/followed-1", "hello.test")
        wait(output, "GET /followed-1 ")
        inside(bookworm, "logrotate --force /etc/logrotate.d/nginx 2>/dev/null || true")
        time.sleep(1.5)
        bookworm.get("/followed-2", "hello.test")
        wait(output, "GET /followed-2 ")
        # A unit that did not exist when it began, and what a hostile program would write.
        evil = "printf 'red \\033[31m\\n'"
        run(inventory, "run", "hello", "--", "systemd-cat", "true")
        inside(bookworm, f"systemd-run -q --wait --uid=hello --unit=hello@later {evil}")
        wait(output, "hello@later.service: red \\x1b[31m")
        assert output.read_text().startswith(f"[{bookworm.name}] ")
        started.send_signal(signal.SIGINT)
        assert started.wait(20) == 130
    finally:
        started.kill()
    nothing_left(bookworm)


LEFT_OUT = {
    "only": "firewall",
    "firewall.allow": {"extra": {"ports": [4711]}},
    "nginx.header_set": "strict",
    "base.timezone": "Europe/Berlin",
}


def test_a_run_that_leaves_out_roles(bookworm: LabHost, inventory: str, tmp_path: Path) -> None:
    results = tmp_path / "verify.json"
    here = {"inventory": Path(inventory), "data": {**LEFT_OUT, "verify.json": str(results)}}
    done = pyinfra(bookworm.name, **here)
    try:
        assert done.status == 0, done.stderr
        assert done.changed == ["firewall | load the packet filter"]
        assert "Left out of this run: app, base, users, ssh, fail2ban" in done.stderr
        assert "4711" in inside(bookworm, "nft list table inet groundcrew")
        policy = "Cross-Origin-Embedder-Policy"
        assert policy not in bookworm.get("/", "hello.test").headers
        checks = json.loads(results.read_text())["hosts"][bookworm.name]["checks"]
        told = {item["detail"] for item in checks if item["status"] == "warn"}
        why = "left out of this run: app, python, nginx, tls"
        assert any(policy.lower() in text.lower() and why in text for text in told), told
        assert [item["status"] for item in checks if item["name"] == "left out"] == ["n/a"]
        # The second run changes nothing, and whoever asks for everything gets to know.
        assert pyinfra(bookworm.name, **here).changed == []
        del here["data"]["only"]
        whole = pyinfra(bookworm.name, playbook="playbooks/verify.py", **here)
        assert whole.status == 1 and policy.lower() in whole.stderr.lower()
    finally:
        back = pyinfra(bookworm.name, inventory=Path(inventory), data={"skip": "app,backup"})
        assert back.status == 0, back.stderr
        assert back.changed == ["firewall | load the packet filter"]


ACTIVE = "systemctl list-units --plain --no-legend --state=active 'hello@*' 'hello.*' || true"


def test_a_stopped_application_stays_stopped(bookworm: LabHost, inventory: str) -> None:
    here, asked = {"inventory": Path(inventory)}, {"app": "hello"}
    live, before = bookworm.live("hello"), inside(bookworm, ACTIVE)
    done = run(inventory, "stop", "hello", "-y")
    assert done.returncode == 0, done.stderr
    try:
        stays_stopped(bookworm)
        again = pyinfra(bookworm.name, playbook="playbooks/stop.py", data=asked, **here)
        assert again.changed == []
        changed = {"only": "app", "app.hello.env.STOPPED": "1"}
        deployed = pyinfra(bookworm.name, data=changed, **here)
        assert deployed.status == 0, deployed.stderr
        assert "hello is stopped since" in deployed.stderr
        stays_stopped(bookworm)
        bookworm.reboot()
        stays_stopped(bookworm)
        assert bookworm.live("hello") == live
        verified = run(inventory, "verify")
        assert verified.returncode == 0, verified.stderr
        assert re.search(r"hello: stopped +n/a", verified.stderr)
        shown = " ".join(run(inventory, "status").stderr.split())
        assert "`groundcrew start` starts it again" in shown
        back = run(inventory, "rollback", "hello", "-y")
        assert back.returncode == 1 and "first: groundcrew start hello" in back.stderr
        stays_stopped(bookworm)
    finally:
        started = run(inventory, "start", "hello", "-y")
    assert started.returncode == 0, started.stderr
    assert bookworm.get("/", "hello.test").status_code == 200
    assert inside(bookworm, ACTIVE).split()[::5] == before.split()[::5]
    assert inside(bookworm, "find /etc/systemd/system -name groundcrew-stopped.conf") == ""
    assert pyinfra(bookworm.name, playbook="playbooks/start.py", data=asked, **here).changed == []
    verified = run(inventory, "verify")
    assert verified.returncode == 0, verified.stderr


def stays_stopped(host: LabHost) -> None:
    """nginx answers, and nothing of the application runs."""
    for path in ("/", "/health"):
        answer = host.get(path, "hello.test")
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True), path
    assert inside(host, ACTIVE) == ""


def wait(file: Path, text: str) -> None:
    """Returns when a file has a text."""
    deadline = time.monotonic() + 30
    while text not in file.read_text():
        assert time.monotonic() < deadline, file.read_text()
        time.sleep(0.2)
