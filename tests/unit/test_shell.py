"""Commands are what a shell takes, and a stop reaches the programs that they run."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groundcrew.manifest import unit
from groundcrew.manifest.shell import HANDS_ON, script
from tests.unit.project import Project

# Says that it runs, and how it ended.
PROGRAM = """\
import os, signal, sys, time
name, seconds = sys.argv[1], float(sys.argv[2])
def stop(*_):
    time.sleep(0.3)
    with open(f"{name}.stopped", "w") as file:
        file.write(os.environ.get("MODE", ""))
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
if len(sys.argv) > 3:
    # Like a server whose workers must not get the signal themselves.
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, lambda *_: open(f"{name}.child", "w").close())
        time.sleep(2)
        os._exit(0)
open(f"{name}.runs", "w").write(os.getcwd())
end = time.monotonic() + seconds
while time.monotonic() < end:
    time.sleep(0.05)
open(f"{name}.ended", "w").close()
"""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python a.py --x 'a b'", "exec python a.py --x 'a b'"),
        ("MODE=bulk A='x y' prog", "MODE=bulk A='x y' exec prog"),
        ("cd jobs && python work.py", "cd jobs && exec python work.py"),
        ("cd 'a;b' || exit 1; prog > x 2>&1", "cd 'a;b' || exit 1 ; exec prog > x 2>&1"),
        ("umask 027; export A=1; prog;", "umask 027 ; export A=1 ; exec prog"),
        ("cd x && exec prog", "cd x && exec prog"),
        ('prog "$(date | tr a b; x)" `a | b` $((1+(2*3))) ${X:-a;b}',
         'exec prog "$(date | tr a b; x)" `a | b` $((1+(2*3))) ${X:-a;b}'),
        ("prog # a; b", "exec prog # a; b"),
        ("prog a\\;b 'it'\\''s' \"it's;\"", "exec prog a\\;b 'it'\\''s' \"it's;\""),
        ("true", "true"),
    ],
)  # fmt: skip
def test_one_program_takes_the_shells_place(command: str, expected: str) -> None:
    assert script(command) == (expected, None)


@pytest.mark.parametrize(
    "command",
    ["a && b", "a; b", "a | b", "(a)", "a &", "if a; then b; fi", "while true; do a; sleep 1; done",
     "{ a; }", "! a", "cat <<x", "A=1", "time a"],
)  # fmt: skip
def test_more_than_one_program_gets_a_shell_that_hands_signals_on(command: str) -> None:
    assert script(command) == (HANDS_ON, command)


def words(line: str) -> list[str]:
    """systemd's own quotes taken off, as in tests of units."""
    parts = shlex.split(line)
    return [word.replace("$$", "$").replace("%%", "%") for word in parts]


class Running:
    """A command as a unit's main process, in a directory with the program `p`."""

    def __init__(self, folder: Path, command: str, lock: str | None = None) -> None:
        self.folder = folder
        (folder / "p.py").write_text(PROGRAM)
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "sub/p.py").write_text(PROGRAM)
        command = command.replace("p ", f"{sys.executable} p.py ")
        self.process = subprocess.Popen(
            words(unit.program(command, lock)), cwd=folder, start_new_session=True
        )

    def has(self, name: str, seconds: float = 5) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if (self.folder / name).exists():
                return True
            time.sleep(0.02)
        return False

    def stop(self) -> int:
        """Only the main process gets the signal, as with `KillMode=mixed`."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)


@pytest.mark.parametrize(
    ("command", "running", "stopped", "never"),
    [
        ("MODE=bulk p one 9", "one", ["one"], []),
        ("cd sub && p one 9", "sub/one", ["sub/one"], []),
        ("p one 9 && p two 9", "one", ["one"], ["two.runs"]),
        ("p one 9; p two 9", "one", ["one"], ["two.runs"]),
        ("p one 0 && p two 9", "two", ["two"], []),
        ("p one 9 | cat", "one", ["one"], []),
        ("p one 9 | p two 9", "two", ["one", "two"], []),
        ("while true; do p one 9; done", "one", ["one"], []),
        ("if true; then p one 9; fi # a comment", "one", ["one"], []),
        ("(p one 9; true) | cat", "one", ["one"], []),
        ("p zero 0; p one 9 fork", "one", ["one"], ["one.child"]),
        ("p zero 0; exec $(echo p one 9 fork)", "one", ["one"], ["one.child"]),
    ],
)
def test_a_stop_is_graceful(
    tmp_path: Path, command: str, running: str, stopped: list[str], never: list[str]
) -> None:
    command = command.replace("$(echo p one 9 fork)", "p one 9 fork")
    unit = Running(tmp_path, command)
    for name in {running, *stopped}:
        assert unit.has(f"{name}.runs")
    status = unit.stop()
    assert status in (0, -signal.SIGTERM)
    for name in stopped:
        assert (tmp_path / f"{name}.stopped").exists(), name
        assert not (tmp_path / f"{name}.ended").exists()
    time.sleep(0.2)
    assert [name for name in never if (tmp_path / name).exists()] == []


def test_variables_before_a_command_are_its_own(tmp_path: Path) -> None:
    running = Running(tmp_path, "MODE='a $HOME' p one 9")
    assert running.has("one.runs")
    running.stop()
    assert (tmp_path / "one.stopped").read_text() == "a $HOME"


@pytest.mark.parametrize(
    ("command", "status"),
    [("true && false", 1), ("sh -c 'exit 7'; sh -c 'exit 5'", 5), ("false || sh -c 'exit 3'", 3),
     ("p one 0 && p two 0", 0)],
)  # fmt: skip
def test_the_exit_status_is_the_commands(tmp_path: Path, command: str, status: int) -> None:
    running = Running(tmp_path, command)
    assert running.process.wait(timeout=10) == status
    if "two" in command:
        assert (tmp_path / "one.ended").exists() and (tmp_path / "two.ended").exists()


@pytest.mark.parametrize("command", ["p {} 9", "p zero 0 && p {} 9", "cd . && p {} 9"])
def test_one_at_a_time_whatever_the_command(tmp_path: Path, command: str) -> None:
    lock = str(tmp_path / "lock")
    first = Running(tmp_path, command.format("one"), lock)
    assert first.has("one.runs")
    second = Running(tmp_path, command.format("two"), lock)
    assert not second.has("two.runs", 0.5)
    first.stop()
    assert second.has("two.runs")
    second.stop()


@pytest.mark.parametrize("command", ["p one 0", "p zero 0 && p one 0", "cd . ; p one 0"])
def test_without_the_lock_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("PATH", "")
    running = Running(tmp_path, command, str(tmp_path / "lock"))
    assert running.process.wait(timeout=10) == 127
    assert not (tmp_path / "one.runs").exists()


PLACES = {
    "server.command": "server: {{type: command, command: {}}}\n",
    "workers.queue.command": "workers: {{queue: {{command: {}}}}}\n",
    "timers.nightly.command": "timers: {{nightly: {{command: {}, schedule: daily}}}}\n",
}


@pytest.mark.parametrize("key", PLACES)
@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('"prog $SOCKET\\nmore"', "expected one line; between several commands write `&&`"),
        ('"prog $SOCKET\\0"', "control characters are not allowed"),
        ('"prog $SOCKET\\rX=1"', "control characters are not allowed"),
        ('"prog $SOCKET \'x"', "no command of a shell:"),
        ('"prog $SOCKET && "', "no command of a shell:"),
        ('"prog $SOCKET &"', "it must stay in the foreground"),
        ('" "', "is empty"),
    ],
)
def test_what_no_shell_runs_is_refused(
    project: Project, key: str, written: str, message: str
) -> None:
    project.app(more=PLACES[key].format(written))
    layer, name, told = project.error()
    assert (layer, name) == ("apps/shop.yml", f"app.shop.{key}")
    assert message in told


def test_the_end_of_a_block_belongs_to_yaml(project: Project) -> None:
    project.app(more="workers:\n  queue:\n    command: |\n      python work.py\n")
    assert project.settings().app["shop"].workers["queue"].command == "python work.py"


@pytest.mark.parametrize(
    ("more", "key", "message"),
    [
        ('description: "a\\nb"\n', "description", "expected one line"),
        ('sandbox: {UMask: "0077\\nExecStartPre=/bin/sh"}\n', "sandbox.UMask", "expected one line"),
        ('sandbox: {UMask: "0077\\\\"}\n', "sandbox.UMask", "must not end with a backslash"),
        ('sandbox: {"UMask=0\\nExecStart": "x"}\n', "sandbox", "as key"),
        ('limits: {cpu_quota: "5%\\n"}\n', "limits.cpu_quota", "expected text that matches"),
        ('limits: {memory_max: "5M\\n"}\n', "limits.memory_max", "expected text that matches"),
        ('env: {"A\\nB": x}\n', "env", "as key"),
        ('hooks: {build: ["a\\0"]}\n', "hooks.build.0", "NUL"),
    ],
)
def test_nothing_of_a_manifest_breaks_a_unit_files_lines(
    project: Project, more: str, key: str, message: str
) -> None:
    project.app(more=more)
    layer, name, told = project.error()
    assert layer == "apps/shop.yml"
    assert name.startswith(f"app.shop.{key}")
    assert message in told
