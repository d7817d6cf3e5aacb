"""Formats text in columns, and numbers for people."""

from __future__ import annotations

from collections.abc import Sequence

from groundcrew.terminal import cells, padded

MINUTE, HOUR, DAY = 60, 3600, 86400


FOLD = "    "
"""Indentation of columns that do not fit into a row's first line."""


def columns(rows: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """One text per row, with aligned columns separated by two spaces.

    Columns that do not fit into `width` are put on additional lines below.
    """
    widths = [max(cells(cell) for cell in column) for column in zip(*rows, strict=True)]
    folds: list[list[int]] = [[]]
    taken = 0
    for index, needed in enumerate(widths):
        if width is not None and folds[-1] and taken + 2 + needed > width:
            folds.append([])
            taken = len(FOLD) - 2
        taken += needed + (2 if folds[-1] or len(folds) > 1 else 0)
        folds[-1].append(index)
    return [
        f"\n{FOLD}".join(
            "  ".join(padded(row[index], widths[index]) for index in fold).rstrip()
            for fold in folds
        ).rstrip()
        for row in rows
    ]


def size(value: float | None) -> str:
    """A number of bytes in B, KiB, MiB or GiB; `-` for None."""
    if value is None:
        return "-"
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def span(seconds: float) -> str:
    """A duration in seconds, in the unit that fits best."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < 2 * DAY:
        return f"{seconds / HOUR:.0f} h"
    return f"{seconds / DAY:.0f} days"
