"""Runs checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from groundcrew.results.result import Check, NotCheckedError, fail

S = TypeVar("S")


def run_checks(checks: Mapping[str, Callable[[S], Iterable[Check]]], seen: S) -> list[Check]:
    """All results in order. A check that cannot be made is a failure; it is never left out."""
    results: list[Check] = []
    for title, check in checks.items():
        try:
            for result in check(seen):
                results.append(result)
        except NotCheckedError as error:
            results.append(fail(title, f"not checked: {error}"))
    return results
