"""Results for people."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pyinfra.api.output import format_text

from groundcrew.results.result import Check, Status

COLOURS = {
    Status.OK: "green",
    Status.WARN: "yellow",
    Status.FAIL: "red",
    Status.NOT_APPLICABLE: "yellow",
}
WIDTH = 110


def table(title: str, results: Sequence[Check]) -> str:
    """An aligned table of one host's results below a title, and their sum below it; indented like
    pyinfra's own lines, whose first the logger indents."""
    column = max((len(result.name) for result in results), default=0)
    indent = " " * (column + 10)
    lines = [title]
    for result in results:
        status = format_text(f"{result.status:<4}", COLOURS[result.status])
        first, *more = textwrap.wrap(result.detail, max(40, WIDTH - len(indent))) or [""]
        lines.append(f"  {result.name:<{column}}  {status}  {first}")
        lines += [indent + line for line in more]
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
