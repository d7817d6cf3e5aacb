"""What auditors find, less what tests/audit/waivers.yml waives with a reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

WAIVERS = Path(__file__).with_name("waivers.yml")
SUITES = ("bookworm", "trixie")
LEVELS = ("baseline", "strict")


class NotCheckedError(Exception):
    """An auditor could not look: neither clean nor not."""


@dataclass(frozen=True)
class Waiver:
    """Findings of one auditor that may stay, and why."""

    auditor: str
    finding: str
    """Shell pattern of the findings."""

    reason: str
    suites: tuple[str, ...] = SUITES
    """Debian suites for which it holds."""

    levels: tuple[str, ...] = LEVELS
    """Values of `base.hardening` for which it holds."""

    applies: bool = True
    """False where nothing could be found right on this host, such as kernel parameters in a
    container: it then counts for no figure either."""

    def covers(self, finding: str) -> bool:
        """Whether it is about this finding."""
        return fnmatchcase(finding, self.finding)


@dataclass(frozen=True)
class Figure:
    """A line of the table that ends a run."""

    auditor: str
    suite: str
    reached: str
    gate: str
    waived: int


FIGURES: list[Figure] = []


def read(text: str) -> list[Waiver]:
    """The waivers of a file. Raises ValueError for one that has no reason or an unknown key."""
    entries = []
    for item in yaml.safe_load(text) or []:
        if set(item) - {"auditor", "finding", "reason", "suites", "levels", "applies"}:
            raise ValueError(f"unknown key in waiver: {item}")
        suites, levels = tuple(item.get("suites", SUITES)), tuple(item.get("levels", LEVELS))
        waiver = Waiver(**{**item, "suites": suites, "levels": levels})
        if len(waiver.reason.split()) < 4 or not set(suites) <= set(SUITES):
            raise ValueError(f"a waiver needs a reason, and suites of {SUITES}: {item}")
        if not set(levels) <= set(LEVELS):
            raise ValueError(f"levels are {LEVELS}: {item}")
        entries.append(waiver)
    return entries


def waivers(
    auditor: str, suite: str, level: str = "baseline", text: str | None = None
) -> list[Waiver]:
    """Those of one auditor on one suite with one level of hardening."""
    return [
        item
        for item in read(WAIVERS.read_text() if text is None else text)
        if item.auditor == auditor and suite in item.suites and level in item.levels
    ]


def unwaived(findings: Iterable[str], allowed: Sequence[Waiver]) -> list[str]:
    """The findings that no waiver covers, and the waivers that cover none."""
    listed = list(findings)
    bad = [text for text in listed if not any(waiver.covers(text) for waiver in allowed)]
    for waiver in allowed:
        if not any(waiver.covers(text) for text in listed):
            bad.append(f"unused waiver of {waiver.auditor}: {waiver.finding}")
    return bad


def record(auditor: str, suite: str, reached: Any, gate: str, waived: int = 0) -> None:
    """Notes a figure for the table."""
    FIGURES.append(Figure(auditor, suite, str(reached), gate, waived))


def table() -> list[str]:
    """All figures as lines."""
    rows = [("auditor", "Debian", "reached", "gate", "waived")]
    rows += [(i.auditor, i.suite, i.reached, i.gate, str(i.waived)) for i in FIGURES]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
