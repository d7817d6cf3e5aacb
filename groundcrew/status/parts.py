"""Derives an application's part from the name of its unit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A unit: `kind` is web, worker, timer, job (what a timer runs) or socket."""

    kind: str
    label: str
    release: str | None


def part(app: str, unit: str) -> Part:
    """The part of the application `app` that a unit belongs to."""
    stem, _, suffix = unit.rpartition(".")
    base, _, instance = stem.partition("@")
    release, _, number = instance.partition(".")
    name = base.removeprefix(app).removeprefix(".")
    if suffix == "socket":
        return Part("socket", "socket", None)
    if not name:
        return Part("web", f"web {number}" if number else "web", release)
    if suffix == "timer":
        return Part("timer", f"timer {name}", release)
    if number:
        return Part("worker", f"worker {name} {number}", release)
    return Part("job", f"timer {name}", release)
