"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    NOT_APPLICABLE = "n/a"


@dataclass(frozen=True)
class Check:
    """One promise and whether it is kept; `detail` is what was seen, or why it does not apply."""

    name: str
    status: Status
    detail: str


class NotCheckedError(Exception):
    """Something could not be looked at; the message says why. It counts as a failure."""


def ok(name: str, detail: str) -> Check:
    """The promise is kept."""
    return Check(name, Status.OK, detail)


def fail(name: str, detail: str) -> Check:
    """The promise is broken."""
    return Check(name, Status.FAIL, detail)


def warn(name: str, detail: str) -> Check:
    """The promise is kept for now; somebody should look at it."""
    return Check(name, Status.WARN, detail)


def not_applicable(name: str, reason: str) -> Check:
    """The promise does not apply here."""
    return Check(name, Status.NOT_APPLICABLE, reason)


def judge(name: str, problems: list[str], good: str) -> Check:
    """Fails with all problems, or is ok with `good` as its detail."""
    return fail(name, "; ".join(problems)) if problems else ok(name, good)
