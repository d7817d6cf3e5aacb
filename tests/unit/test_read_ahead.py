"""Reading in advance, with pyinfra's own state on this machine: what operations see is what they
would have read themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Config, FactBase, Host, Inventory, State, StringCommand, operation
from pyinfra.api.connect import connect_all
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.connectors.local import LocalConnector
from pyinfra.context import ctx_state
from pyinfra.context import host as current_host

from groundcrew import remote
from groundcrew.adapter import read_ahead
from groundcrew.facts.systemd import Units
from groundcrew.read_first import facts_together, reading_first

seen_so_far: list[tuple[str, str]] = []
"""Operation and what it has read."""


class Content(FactBase[str]):
    """A file's text."""

    def command(self, path: str) -> str:
        """A shell command."""
        return f"cat {path}"


class Existing(FactBase[list[str]]):
    """The paths that exist, by a program of this package."""

    def command(self, paths: list[str]) -> StringCommand:
        """The program."""
        return remote.command("inspect_files", json.dumps({"paths": paths, "globs": []}))

    def process(self, output: list[str]) -> list[str]:
        """Their names."""
        return sorted(json.loads(output[-1]))


class Steady(Existing):
    """The same, and it changes by nothing but the run."""

    def command(self, paths: list[str]) -> StringCommand:
        """The program."""
        return remote.command(
            "inspect_files", json.dumps({"paths": paths, "globs": []}), steady=True
        )


@operation()
@reading_first
def write(path: str, text: str) -> Generator[StringCommand, None, None]:
    """Writes a file, unless it has this text."""
    content = current_host.get_fact(Content, path=path)
    seen_so_far.append((path, content))
    if content != text:
        yield StringCommand(f"printf %s {text} > {path}")


@operation()
@reading_first
def look(path: str, *paths: str) -> Generator[StringCommand, None, None]:
    """Reads a file and several paths, and changes nothing."""
    with facts_together():
        content = current_host.get_fact(Content, path=path)
        existing = current_host.get_fact(Existing, paths=list(paths))
    seen_so_far.append((path, f"{content} {len(existing)}"))
    yield from ()


@operation()
def unmarked(path: str) -> Generator[StringCommand, None, None]:
    """Does something before it reads."""
    seen_so_far.append((path, "begun"))
    seen_so_far.append((path, current_host.get_fact(Content, path=path)))
    yield from ()


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    """pyinfra's state for a run on this machine, with reading in advance installed."""
    for name in ("get_fact", "run_shell_command", "put_file"):
        monkeypatch.setattr(Host, name, getattr(Host, name))
    read_ahead.install()
    seen_so_far.clear()
    state = State(Inventory((["@local"], {})), Config(), check_for_changes=False)
    with ctx_state.use(state):
        connect_all(state)
        state.set_stage(StateStage.Prepare)
        yield state


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that are run on the host."""
    run: list[str] = []
    original = LocalConnector.run_shell_command

    def noting(self: LocalConnector, command: Any, *args: Any, **kwargs: Any) -> Any:
        run.append(str(command))
        return original(self, command, *args, **kwargs)

    monkeypatch.setattr(LocalConnector, "run_shell_command", noting)
    return run


def execute(state: State) -> None:
    state.set_stage(StateStage.Execute)
    run_ops(state)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [tmp_path / name for name in ("a", "b", "c", "d")]
    for path in paths:
        path.write_text(path.name)
    return [str(path) for path in paths]


def test_a_run_without_a_change_is_one_command(
    state: State, commands: list[str], files: list[str]
) -> None:
    for path in files[:3]:
        add_op(state, write, path=path, text=Path(path).name)
    add_op(state, look, files[3], *files)
    execute(state)
    assert seen_so_far == [(files[0], "a"), (files[1], "b"), (files[2], "c"), (files[3], "d 4")]
    assert len(commands) == 1


def test_after_a_change_operations_read_for_themselves(
    state: State, commands: list[str], files: list[str]
) -> None:
    add_op(state, write, path=files[0], text="new")
    add_op(state, look, files[0], *files)
    add_op(state, write, path=files[1], text="b")
    execute(state)
    assert seen_so_far == [(files[0], "a"), (files[0], "new 4"), (files[1], "b")]
    # All at once, the change, and what was read after it.
    assert len(commands) == 5


def test_what_cannot_be_read_is_told_by_its_own_operation(
    state: State, commands: list[str], files: list[str]
) -> None:
    gone = f"{files[0]}.gone"
    add_op(state, write, path=files[0], text="a")
    add_op(state, write, path=gone, text="x", _ignore_errors=True)
    execute(state)
    assert commands[0].startswith("python3")
    assert [command for command in commands if command == f"cat {gone}"]


def test_only_operations_that_read_first_are_asked(
    state: State, commands: list[str], files: list[str]
) -> None:
    for path in files[:2]:
        add_op(state, write, path=path, text=Path(path).name)
    add_op(state, unmarked, files[2])
    execute(state)
    assert seen_so_far == [(files[0], "a"), (files[1], "b"), (files[2], "begun"), (files[2], "c")]
    assert len(commands) == 2


@pytest.mark.parametrize(("steady", "number"), [(True, 1), (False, 2)])
def test_a_steady_report_serves_several_operations(
    state: State, commands: list[str], files: list[str], steady: bool, number: int
) -> None:
    @operation()
    @reading_first
    def ask(path: str) -> Generator[StringCommand, None, None]:
        paths = current_host.get_fact(Steady if steady else Existing, paths=[path])
        seen_so_far.append((path, str(len(paths))))
        yield from ()

    for path in (files[0], files[0], files[1]):
        add_op(state, ask, path)
    execute(state)
    assert [text for _, text in seen_so_far] == ["1", "1", "1"]
    assert len(commands) == number


def test_a_steady_report_serves_each_operation_once(
    state: State, commands: list[str], files: list[str]
) -> None:
    """One that reads it twice expects something new; one that did not ask reads for itself."""

    @operation()
    @reading_first
    def twice(path: str) -> Generator[StringCommand, None, None]:
        for _ in range(2):
            current_host.get_fact(Steady, paths=[path])
        yield from ()

    @operation()
    def stranger(path: str) -> Generator[StringCommand, None, None]:
        current_host.get_fact(Steady, paths=[path])
        yield from ()

    @operation()
    @reading_first
    def once(path: str) -> Generator[StringCommand, None, None]:
        current_host.get_fact(Steady, paths=[path])
        yield from ()

    add_op(state, twice, files[0])
    add_op(state, look, files[0], *files)
    add_op(state, stranger, files[0])
    add_op(state, once, files[0])
    execute(state)
    # Reading ahead, the second time, and the stranger's.
    assert len(commands) == 3


def test_a_joint_program_takes_one_request(state: State) -> None:
    del state
    with pytest.raises(ValueError, match="takes one argument"):
        remote.command("inspect_units", "{}", "{}", joint=True)


def test_requests_to_a_joint_program_are_one_run(
    state: State, commands: list[str], files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    payloads: list[Any] = []
    original = read_ahead._payload

    def noting(commands: Any) -> Any:
        payloads.append(original(commands))
        return payloads[-1]

    monkeypatch.setattr(read_ahead, "_payload", noting)

    @operation()
    @reading_first
    def ask(path: str) -> Generator[StringCommand, None, None]:
        report = current_host.get_fact(Units, units=[], files=[path])
        seen_so_far.append((path, " ".join(report["modified"])))
        yield from ()

    for path in files:
        add_op(state, ask, path)
    add_op(state, look, files[0], *files)
    execute(state)
    assert seen_so_far == [*((path, path) for path in files), (files[0], "a 4")]
    assert len(commands) == 1
    programs = [read["program"] for read in payloads[0]["reads"] if "program" in read]
    assert programs.count("groundcrew.remote.inspect_units") == 1


def test_the_same_fact_is_read_again_if_it_is_asked_for_again(
    state: State, commands: list[str], files: list[str]
) -> None:
    add_op(state, write, path=files[0], text="a")
    add_op(state, look, files[1], *files)
    add_op(state, unmarked, files[1])
    execute(state)
    assert seen_so_far[-1] == (files[1], "b")
    assert commands[1:] == [f"cat {files[1]}"]


def test_commands_before_the_operations_change_nothing_of_it(
    state: State, commands: list[str], files: list[str]
) -> None:
    state.inventory.get_host("@local").run_shell_command("true")
    for path in files:
        add_op(state, write, path=path, text=Path(path).name)
    execute(state)
    assert len(commands) == 2


def test_an_answer_is_taken_once(state: State, commands: list[str], files: list[str]) -> None:
    """Between two equal questions, an operation may have waited for another run."""
    for _ in range(2):
        add_op(state, write, path=files[0], text="a")
    add_op(state, look, files[1], *files)
    execute(state)
    assert commands[1:] == [f"cat {files[0]}"]


def test_nothing_is_read_ahead_while_commands_are_shown(
    state: State, commands: list[str], files: list[str]
) -> None:
    state.print_fact_input = True
    for path in files:
        add_op(state, write, path=path, text=Path(path).name)
    execute(state)
    assert commands == [f"cat {path}" for path in files]


def test_programs_and_commands_answer_as_if_each_ran_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    request = json.dumps({"paths": [str(tmp_path / "file")], "globs": []})
    main, needed = remote.module_of("inspect_files"), remote.needed_by("inspect_files")
    program = {"program": main, "modules": needed, "arguments": [request]}
    payload = {
        "texts": {name: remote.text_of(name) for name in (*needed, main)},
        "reads": [
            {"command": "echo one; echo err >&2; exit 3"},
            program,
            {"command": "cat"},
            {"program": main, "modules": needed, "arguments": ["no JSON"]},
            {"command": "kill -9 $$"},
            program,
        ],
    }
    done = subprocess.run(
        [sys.executable, "-ISc", remote.script("read_several")],
        input=json.dumps(payload), capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers = [(item["status"], item["output"]) for item in json.loads(done.stdout)]
    alone = subprocess.run(
        [sys.executable, "-ISc", remote.script("inspect_files"), request],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answers == [(3, "one\n"), (0, alone.stdout), (0, ""), (1, ""), (-1, ""), answers[1]]
