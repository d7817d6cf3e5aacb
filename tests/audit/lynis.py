"""Hardening points from lynis' log, test by test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.audit.gate import NotCheckedError, Waiver, record, unwaived, waivers

TEST = re.compile(r"Performing test ID (\S+)")
POINTS = re.compile(r"Hardening: assigned .*?\((\d+)(?: of (\d+))?\)")
PART = re.compile(r"Result: (?:OpenSSH option|sysctl key) (\S+)")
LEAST = 150
"""Points that are to be had at all; with fewer, most tests have not run."""

PENDING = "PKGS-7392"
"""Security updates that Debian has published since the lab's image was made. Unattended
upgrades install them at night; here they would judge the hour at which the test runs."""


@dataclass(frozen=True)
class Item:
    """One thing that gave points, or some of them."""

    test: str
    got: int
    most: int


def items(log: str) -> list[Item]:
    """Everything that was rated. Raises NotCheckedError where lynis did not do its work."""
    rated, test, part = [], "", ""
    for line in log.splitlines():
        if match := TEST.search(line):
            test, part = match[1], ""
        elif match := PART.search(line):
            part = f":{match[1]}"
        elif match := POINTS.search(line):
            got = int(match[1])
            rated.append(Item(test + part, got, int(match[2] or got)))
    if sum(item.most for item in rated) < LEAST:
        raise NotCheckedError("lynis rated too little")
    return rated


def index(rated: Sequence[Item], waived: Sequence[Waiver] = ()) -> int:
    """The hardening index, in full or without the tests that do not apply."""
    beside = [waiver for waiver in waived if not waiver.applies]
    kept = [item for item in rated if not any(waiver.covers(item.test) for waiver in beside)]
    return 100 * sum(item.got for item in kept) // sum(item.most for item in kept)


def lost(rated: Sequence[Item]) -> list[str]:
    """The tests that cost points."""
    return sorted({item.test for item in rated if item.got < item.most})


def judge(report: str, log: str, suite: str, level: str, least: int) -> None:
    """The gate: no warning, a reason for every lost point, and at least `least` of what applies."""
    rated = items(log)
    # Read as lynis itself counts.
    assert f"hardening_index={index(rated)}\n" in report
    allowed = waivers("lynis", suite, level)
    pending = Waiver("lynis", PENDING, "the image is older than an update", applies=False)
    reached = index(rated, [*allowed, pending])
    record(
        f"lynis, {level}",
        suite,
        f"{index(rated)}, of what applies {reached}",
        f">= {least} of what applies, 0 warnings",
        len(allowed),
    )
    warnings = [
        line
        for line in report.splitlines()
        if line.startswith("warning") and f"={PENDING}|" not in line
    ]
    assert warnings == [], warnings
    assert unwaived([item for item in lost(rated) if item != PENDING], allowed) == []
    assert reached >= least
