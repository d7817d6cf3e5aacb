"""Decides the lines of the checklists by the results of checks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from groundcrew.checklist.lines import Line
from groundcrew.results.result import Check, Status, fail, not_applicable, ok

ResultsBySource = Mapping[str, Sequence[Check]]
"""Source -> results."""

SHOWN = 3
"""Results that the evidence of a line names."""

REST = "everything else"


def arrange(lists: Mapping[str, Mapping[str, Line]], by_source: ResultsBySource) -> list[Check]:
    """The lines of these lists, each with its evidence, and a last one for failed checks that no
    line is about: none is left out."""
    lines = [
        decide(f"{title}: {text}", line, by_source)
        for title, texts in lists.items()
        for text, line in texts.items()
    ]
    used = [
        pattern for texts in lists.values() for line in texts.values() for pattern in line.checks
    ]
    return [*lines, _rest(used, by_source)]


def decide(name: str, line: Line, by_source: ResultsBySource) -> Check:
    """One line."""
    results = [check for pattern in line.checks for check in _matching(pattern, by_source)]
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
    parts = [
        f"{'warning: ' if item.status is Status.WARN else ''}{item.name}: {item.detail}"
        for item in results[:SHOWN]
    ]
    more = len(results) - SHOWN
    return "; ".join([*parts, *([f"and {more} more"] if more > 0 else [])])


def _matching(pattern: str, by_source: ResultsBySource) -> Iterator[Check]:
    source, _, name = pattern.partition(": ")
    return (item for item in by_source.get(source, ()) if fnmatchcase(item.name, name))


def _rest(used: Iterable[str], by_source: ResultsBySource) -> Check:
    known = {item for pattern in used for item in _matching(pattern, by_source)}
    others = [
        item
        for results in by_source.values()
        for item in results
        if item.status is Status.FAIL and item not in known
    ]
    if others:
        return fail(REST, evidence(others))
    count = sum(len(results) for results in by_source.values())
    return ok(REST, f"{count} checks were made, no other one failed")
