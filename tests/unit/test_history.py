"""What has served, what was taken back, and where a rollback leads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from groundcrew.facts.apps import AppState, nothing
from groundcrew.releases.finishing import unneeded
from groundcrew.releases.rollback import NoReleaseError, choose
from groundcrew.remote import history

# Named as if the clock had gone back: names say nothing about the order.
A, B, C = (f"2026010{day}T000000Z-{letter * 12}" for day, letter in ((3, "a"), (2, "b"), (1, "c")))
NEVER = "20260109T000000Z-dddddddddddd"


def state(live: str, served: list[str], bad: tuple[str, ...] = (), kept: str = "") -> AppState:
    record = nothing()
    names = kept.split() or {*served, live, NEVER}
    record["live"] = record["current"] = live
    record["served"] = served
    record["releases"] = {
        name: {"built": True, "bad": name in bad, "hooked": True, "source": "", "held": False}
        for name in names
    }
    return record


@pytest.mark.parametrize(
    ("live", "served", "bad", "leads"),
    [
        (B, [A, B], (), A),
        (A, [A, B, A], (), B),
        (C, [A, B, C], (B,), A),
        (B, [A, B, C, B], (C,), A),
        (C, [C, A, B, C], (), B),
        # A run that was cut off after the switch: what serves is not noted yet.
        (C, [A, B], (), B),
    ],
)
def test_a_plain_rollback_leads_to_what_served_before(
    live: str, served: list[str], bad: tuple[str, ...], leads: str
) -> None:
    assert choose(state(live, served, bad), None) == leads


def test_what_never_served_or_was_left_is_no_target() -> None:
    with pytest.raises(NoReleaseError, match="no good release that served before"):
        choose(state(A, [A]), None)
    with pytest.raises(NoReleaseError, match=f"--data release={A}"):
        choose(state(B, [A, B, A, B], (A,)), None)
    assert choose(state(B, [A, B, A, B], (A,)), A) == A


def test_a_release_that_is_not_kept_is_passed_over() -> None:
    assert choose(state(C, [A, B, C], kept=f"{A} {C}"), None) == A
    with pytest.raises(NoReleaseError, match=f"no release {B} is kept"):
        choose(state(C, [A, B, C], kept=f"{A} {C}"), B)


def test_those_that_served_last_are_kept() -> None:
    there = state(C, [A, B, C])
    assert unneeded(there, C, 2) == [A, NEVER]
    assert unneeded(there, C, 3) == [NEVER]
    assert unneeded(there, C, 1) == [B, A, NEVER]


def test_the_record(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    for changes in ({"live": A}, {"live": A}, {"live": B}):
        history.note(path, changes)
    assert history.read(path)["served"] == [A, B]
    history.note(path, {"taken_back": B, "operator": "ops@desk", "live": A})
    record = history.read(path)
    assert record["served"] == [A, B, A]
    assert record["taken_back"][B]["operator"] == "ops@desk"
    history.note(path, {"failed": C, "live": A})
    assert history.read(path)["failed"] == [C]
    history.note(path, {"live": B})
    assert history.read(path)["taken_back"] == {}
    history.note(path, {"live": C})
    assert history.read(path)["failed"] == []
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"served": 7}', '{"served": ["; rm -rf /", 7], "taken_back": {"x": 1}}'],
)
def test_a_record_that_is_not_one_is_empty(tmp_path: Path, text: str) -> None:
    path = tmp_path / "history.json"
    path.write_text(text)
    assert history.read(path) == {"served": [], "failed": [], "taken_back": {}}


def test_an_unchanged_record_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    history.note(path, {"live": A})
    before = path.stat().st_ino
    history.note(path, {"live": A})
    assert path.stat().st_ino == before
    assert json.loads(path.read_text())["served"] == [A]
