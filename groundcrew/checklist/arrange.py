"""Decides the lines of the checklists by the results of checks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from groundcrew.checklist.lines import Line
from groundcrew.results.result import Check, Status, fail, not_applicable, ok

Found = Mapping[str, Sequence[Check]]
"""Source -> results."""

SHOWN = 3
"""Results that the evidence of a line names."""

REST = "everything else"


def arrange(lists: Mapping[str, Mapping[str, Line]], found: Found) -> list[Check]:
    """The lines of these lists, each with its evidence, and a last one for failed checks that no
    line is about: none is left out."""
    lines = [
        decide(f"{title}: {text}", line, found)
        for title, texts in lists.items()
        for text, line in texts.items()
    ]
    used = [
        pattern for texts in lists.values() for line in texts.values() for pattern in line.checks
    ]
    return [*lines, _rest(used, found)]


def decide(name: str, line: Line, found: Found) -> Check:
    """One line."""
    results = [check for pattern in line.checks for check in _matching(pattern, found)]
    results = list(dict.fromkeys(results))
    by_hand = f"by hand: {line.by_hand}" if line.by_hand else ""
    failed = [item for item in results if item.status is Status.FAIL]
    if failed:
        return fail(name, evidence(failed))
    # What needs a look comes first.
    judged = [item for item in results if item.status is Status.WARN]
    judged += [item for item in results if item.status is Status.OK]
    if judged:
        return ok(name, "; ".join(filter(None, [evidence(judged), by_hand])))
    if results:
        return not_applicable(name, evidence(results))
    reason = line.absent or by_hand or "no check of it was made"
    return fail(name, reason) if line.required else not_applicable(name, reason)


def evidence(results: Sequence[Check]) -> str:
    """What was seen, shortened."""
    told = [
        f"{'warning: ' if item.status is Status.WARN else ''}{item.name}: {item.detail}"
        for item in results[:SHOWN]
    ]
    more = len(results) - SHOWN
    return "; ".join([*told, *([f"and {more} more"] if more > 0 else [])])


def _matching(pattern: str, found: Found) -> Iterator[Check]:
    source, _, name = pattern.partition(": ")
    return (item for item in found.get(source, ()) if fnmatchcase(item.name, name))


def _rest(used: Iterable[str], found: Found) -> Check:
    known = {item for pattern in used for item in _matching(pattern, found)}
    others = [
        item
        for results in found.values()
        for item in results
        if item.status is Status.FAIL and item not in known
    ]
    if others:
        return fail(REST, evidence(others))
    count = sum(len(results) for results in found.values())
    return ok(REST, f"{count} checks were made, no other one failed")
