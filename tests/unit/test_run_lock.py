"""What a run starts on a host is tied to its lock; run with the programs themselves."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from groundcrew import remote
from groundcrew.remote import run_lock


class Holder:
    """The program that holds locks, as an operator's connection has it."""

    def __init__(self, root: Path, text: str) -> None:
        program = (
            remote.source("hold_locks")
            .replace("/srv/", f"{root}/")
            .replace("PATIENCE = 60.0", "PATIENCE = 1.0")
        )
        self.process = subprocess.Popen(
            [sys.executable, "-ISc", program, text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, line: str) -> dict[str, str]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer: dict[str, str] = json.loads(self.process.stdout.readline())
        return answer

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("shop", "other"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def first(root: Path) -> Iterator[Holder]:
    holder = Holder(root, '{"operator": "a"}')
    yield holder
    holder.kill()


@pytest.fixture
def second(root: Path) -> Iterator[Holder]:
    holder = Holder(root, '{"operator": "b"}')
    yield holder
    holder.kill()


def test_one_session_holds_many_locks_and_gives_each_back(
    first: Holder, second: Holder, root: Path
) -> None:
    for name in ("shop", "other"):
        assert first.ask(f"take {name}") == {"state": "locked", "left": ""}
        assert second.ask(f"take {name}") == {"state": "held", "by": '{"operator": "a"}'}
    assert first.ask("free shop") == {"state": "freed"}
    assert (root / "shop/lock").read_text() == ""
    assert second.ask("take shop") == {"state": "locked", "left": ""}
    assert second.ask("take other")["state"] == "held"


def test_nobody_else_can_open_a_lock(first: Holder, root: Path) -> None:
    (root / "shop/lock").touch(mode=0o644)
    first.ask("take shop")
    for name in ("lock", "steps"):
        assert (root / "shop" / name).stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_place_of_a_lock_is_not_followed(first: Holder, root: Path) -> None:
    (root / "shop/lock").symlink_to(root / "elsewhere")
    assert first.ask("take shop")["state"] == "error"
    assert not (root / "elsewhere").exists()


@pytest.mark.parametrize("line", ["take ../x", "take", "take a/b", "take A;b"])
def test_only_names_of_applications_are_taken(first: Holder, line: str) -> None:
    assert first.ask(line)["state"] == "error"


def test_a_run_that_vanished_is_named(first: Holder, second: Holder) -> None:
    first.ask("take shop")
    first.kill()
    assert second.ask("take shop") == {"state": "locked", "left": '{"operator": "a"}'}


def run(root: Path, text: str) -> dict[str, str]:
    return {"lock": str(root / "shop/lock"), "steps": str(root / "shop/steps"), "holder": text}


def test_a_step_goes_on_until_another_run_takes_over(
    first: Holder, second: Holder, root: Path
) -> None:
    mine = run(root, '{"operator": "a"}')
    first.ask("take shop")
    with run_lock.step(mine):
        assert not run_lock.taken_over(mine)
        first.kill()
        # What it has begun is finished while nobody else is there.
        assert not run_lock.taken_over(mine)
        assert second.ask("take shop") == {"state": "busy"}
    assert second.ask("take shop")["state"] == "locked"
    assert run_lock.taken_over(mine)
    with pytest.raises(run_lock.RunIsGoneError), run_lock.step(mine):
        pass


def test_the_next_run_waits_for_steps(first: Holder, second: Holder, root: Path) -> None:
    """A shell step, as the release steps are."""
    first.ask("take shop")
    shell = f"exec 8>>{root}/shop/steps && flock -s 8 && sleep 0.6"
    with subprocess.Popen(["sh", "-c", shell]):
        time.sleep(0.2)
        first.kill()
        started = time.monotonic()
        assert second.ask("take shop")["state"] == "locked"
        assert time.monotonic() - started > 0.2


def test_without_a_lock_there_is_nothing_to_look_at() -> None:
    assert not run_lock.taken_over(None)
    with run_lock.step(None):
        pass
