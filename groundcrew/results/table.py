"""Results for people."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pyinfra.api.output import format_text

from groundcrew import terminal
from groundcrew.results.result import Check, Status

COLOURS = {
    Status.OK: "green",
    Status.WARN: "yellow",
    Status.FAIL: "red",
    Status.NOT_APPLICABLE: "yellow",
}
BELOW = " " * 6
LAST_RESORT = 24
"""Characters that a detail has beside the names at least; else it is below."""


def table(
    title: str,
    results: Sequence[Check],
    width: int = terminal.WIDEST,
    every: Sequence[Check] | None = None,
) -> str:
    """An aligned table of one host's results below a title, and their sum below it, in `width`
    characters; indented like pyinfra's own lines, whose first the logger indents. If `results` are
    only some of them, `every` has all that the sum counts."""
    column = max((len(result.name) for result in results), default=0)
    indent = " " * (column + 10)
    lines = [title]
    for result in results:
        status = format_text(f"{result.status:<4}", COLOURS[result.status])
        room = width - len(indent)
        longest = max(map(len, result.detail.split()), default=0)
        if room >= max(longest, LAST_RESORT):
            first, *more = textwrap.wrap(result.detail, room, break_on_hyphens=False) or [""]
            more = [indent + line for line in more]
        else:
            # A unit's name is not torn apart.
            first = ""
            more = textwrap.wrap(
                result.detail,
                width,
                initial_indent=BELOW,
                subsequent_indent=BELOW,
                break_on_hyphens=False,
                break_long_words=False,
            )
        lines.append(f"  {result.name:<{column}}  {status}  {first}".rstrip())
        lines += more
    lines.append(f"  {counts(results if every is None else every)}")
    return "\n    ".join(lines)


def counts(results: Sequence[Check]) -> str:
    """How many results of each kind."""
    counted = {status: sum(result.status is status for result in results) for status in Status}
    warnings = f"{counted[Status.WARN]} warnings, " if counted[Status.WARN] else ""
    return (
        f"{counted[Status.OK]} ok, {warnings}{counted[Status.FAIL]} failed, "
        f"{counted[Status.NOT_APPLICABLE]} not applicable"
    )
