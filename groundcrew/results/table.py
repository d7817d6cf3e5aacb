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


def table(title: str, results: Sequence[Check], width: int = terminal.WIDEST) -> str:
    """An aligned table of one host's results below a title, and their sum below it, in `width`
    characters; indented like pyinfra's own lines, whose first the logger indents."""
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
    lines.append(summary(results))
    return "\n    ".join(lines)


def summary(results: Sequence[Check]) -> str:
    """How many results of each kind."""
    counts = {status: sum(result.status is status for result in results) for status in Status}
    warnings = f"{counts[Status.WARN]} warnings, " if counts[Status.WARN] else ""
    return (
        f"  {counts[Status.OK]} ok, {warnings}{counts[Status.FAIL]} failed, "
        f"{counts[Status.NOT_APPLICABLE]} not applicable"
    )
