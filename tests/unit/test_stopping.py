"""`groundcrew stop`: an application that stays stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from groundcrew.facts.stopped import Stopped
from groundcrew.manifest.paths import AppPaths
from groundcrew.releases import stopping
from groundcrew.remote import stop_app

NOTE = {"operator": "ann@desk", "since": "2026-11-29T10:00:00Z"}
UNITS = ("shop@1.service", "shop.mail@1.service", "shop.daily@1.timer", "shop.daily@1.service",
         "shop.socket")  # fmt: skip


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What systemctl is asked for, on a host with units of two applications."""
    system = tmp_path / "system"
    system.mkdir()
    for name in (*UNITS, "shopping@1.service", "nginx.service"):
        (system / name).touch()
    monkeypatch.setattr(stop_app, "SYSTEM", system)
    monkeypatch.setattr(stop_app, "metric_path", lambda name: str(tmp_path / f"{name}.prom"))
    made: list[tuple[str, ...]] = []

    def systemctl(*words: str, check: bool = True) -> str:
        made.append(words)
        running = {"shop@1.service": "active", "shop.daily@1.timer": "active",
                   "shop.mail@1.service": "failed"}  # fmt: skip
        parts = [f"Id={name}\nActiveState={running.get(name, 'inactive')}" for name in words[2:]]
        return "\n\n".join(parts) + "\n"

    monkeypatch.setattr(stop_app, "systemctl", systemctl)
    return made


def payload(folder: Path) -> dict[str, Any]:
    return {"name": "shop", "flag": str(folder / "stopped"), "note": NOTE, "run": None}


def drop_ins(folder: Path) -> set[str]:
    return {path.parent.name for path in (folder / "system").glob("*.d/*")}


def test_no_unit_starts_while_it_is_stopped(tmp_path: Path, calls: list[tuple[str, ...]]) -> None:
    stop_app.stop(payload(tmp_path))
    noted = json.loads((tmp_path / "stopped").read_text())
    assert noted == {**NOTE, "units": ["shop.daily@1.timer", "shop@1.service"]}
    assert drop_ins(tmp_path) == {f"{name}.d" for name in UNITS}
    text = (tmp_path / "system/shop@1.service.d/groundcrew-stopped.conf").read_text()
    assert text == f"[Unit]\nConditionPathExists=!{tmp_path}/stopped\n"
    # What would start others is stopped first.
    stops = [words[1:] for words in calls if words[0] == "stop"]
    assert stops == [("shop.daily@1.timer", "shop.socket"), tuple(sorted(UNITS))]
    assert (tmp_path / "shop.prom").exists()


def test_an_interrupted_stop_is_continued_with_what_ran_before(
    tmp_path: Path, calls: list[tuple[str, ...]]
) -> None:
    (tmp_path / "stopped").write_text(json.dumps({**NOTE, "units": ["shop.mail@1.service"]}))
    stop_app.stop(payload(tmp_path))
    assert json.loads((tmp_path / "stopped").read_text())["units"] == ["shop.mail@1.service"]


def test_what_ran_starts_again(tmp_path: Path, calls: list[tuple[str, ...]]) -> None:
    stop_app.stop(payload(tmp_path))
    calls.clear()
    stop_app.start(payload(tmp_path))
    assert calls == [("daemon-reload",), ("start", "shop.daily@1.timer", "shop@1.service")]
    assert not list((tmp_path / "system").glob("*.d"))
    # Until the release is healthy, nobody gets in.
    assert (tmp_path / "stopped").exists()


def test_the_fact() -> None:
    fact = Stopped()
    assert fact.command({"shop": AppPaths("shop").stopped}) == (
        "if [ -f /srv/shop/maintenance/stopped ]; then printf '%s ' shop; "
        "head -n 1 /srv/shop/maintenance/stopped; fi; true"
    )
    read = fact.process([f"shop {json.dumps({**NOTE, 'units': []})}", "blog {"])
    assert read == {"shop": NOTE, "blog": {"operator": "?", "since": "?"}}
    assert stopping.told("shop", read["shop"]) == (
        "shop is stopped since 2026-11-29T10:00:00Z by ann@desk"
    )
