from __future__ import annotations

from dataclasses import replace

import pytest

from tests.audit import gate, lynis

FILE = """
- {auditor: a, finding: "x:*", reason: "it is meant to be"}
- {auditor: a, finding: y, reason: "it is meant to be", suites: [trixie]}
- {auditor: b, finding: z, reason: "it is meant to be"}
"""
LOG = """
2026 Performing test ID SSH-7408 (Check)
2026 Result: OpenSSH option MaxSessions is in a weak configuration state
2026 Hardening: assigned partial number of hardening points (0 of 3). Currently having 1 points
2026 Performing test ID AUTH-1 (Check)
2026 Hardening: assigned maximum number of hardening points for this item (2). Currently
2026 Hardening: assigned partial number of hardening points (1 of 2). Currently having 1 points
"""


def test_only_findings_without_a_waiver_and_unused_waivers_are_left() -> None:
    assert gate.unwaived(["x:1", "new"], gate.waivers("a", "bookworm", text=FILE)) == ["new"]
    trixie = gate.waivers("a", "trixie", text=FILE)
    assert gate.unwaived(["x:1"], trixie) == ["unused waiver of a: y"]
    assert gate.unwaived([], gate.waivers("b", "trixie", text=FILE)) == ["unused waiver of b: z"]


@pytest.mark.parametrize(
    "wrong",
    [
        "- {auditor: a, finding: x, reason: because}",
        "- {auditor: a, finding: x, reason: 'it is meant to be', suites: [sid]}",
        "- {auditor: a, finding: x, reason: 'it is meant to be', until: 2030}",
    ],
)
def test_a_waiver_says_why(wrong: str) -> None:
    with pytest.raises(ValueError, match="waiver"):
        gate.read(wrong)


def test_the_waivers_of_the_project_can_be_read() -> None:
    assert gate.read(gate.WAIVERS.read_text())


def test_points_of_lynis(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(gate.NotCheckedError):
        lynis.items(LOG)
    monkeypatch.setattr(lynis, "LEAST", 7)
    items = lynis.items(LOG)
    assert lynis.index(items) == 42
    assert lynis.lost(items) == ["AUTH-1", "SSH-7408:MaxSessions"]
    waiver = gate.Waiver("lynis", "SSH-7408:*", "it is meant to be")
    assert lynis.index(items, [waiver]) == 42
    assert lynis.index(items, [replace(waiver, applies=False)]) == 75
