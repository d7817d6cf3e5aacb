"""Release hooks are waited for, wherever systemd is with them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote import run_hooks

UNIT = "shop.release-hooks@20260101T000000Z-aaaaaaaaaaaa.service"


@pytest.fixture
def payload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(run_hooks, "LOOK", 0)
    monkeypatch.setattr(run_hooks, "keep", lambda *_: ["--> hook: migrate", "said"])
    done: subprocess.CompletedProcess[str] = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    return {
        "unit": UNIT,
        "done": str(tmp_path / "done"),
        "each": 10,
        "timeout": 10,
        "log": str(tmp_path / "hooks.log"),
        "run": None,
        "on_failure": "",
    }


def states(monkeypatch: pytest.MonkeyPatch, *seen: dict[str, str]) -> None:
    rest: Iterator[dict[str, str]] = iter(seen)
    monkeypatch.setattr(run_hooks, "state", lambda _: next(rest))


INACTIVE = {"ActiveState": "inactive", "Job": "", "Result": "success"}
QUEUED = {**INACTIVE, "Job": "77"}
WORKING = {"ActiveState": "activating", "InvocationID": "a", "Job": "77"}
FAILED = {"ActiveState": "failed", "Result": "exit-code", "Job": ""}


def test_a_start_that_waits_for_its_turn_is_no_failure(
    payload: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen() -> Iterator[dict[str, str]]:
        yield from (INACTIVE, QUEUED, QUEUED, WORKING)
        Path(payload["done"]).touch()
        yield INACTIVE

    rest = seen()
    monkeypatch.setattr(run_hooks, "state", lambda _: next(rest))
    assert run_hooks.run(payload) == 0


@pytest.mark.parametrize("end", [FAILED, INACTIVE])
def test_an_end_without_the_file_is_a_failure(
    payload: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    end: dict[str, str],
) -> None:
    states(monkeypatch, INACTIVE, QUEUED, WORKING, end)
    assert run_hooks.run(payload) == 1
    assert "hook failed: migrate" in capsys.readouterr().err
