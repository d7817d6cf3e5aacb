"""What dashboards show of a host: roles bring panels, and monitoring puts them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

APPS = "$apps"
"""Stands in an expression for the applications that are looked at. `$hosts` stands for the hosts
(`groundcrew/metrics.py`)."""

WINDOW = "$window"
"""Stands in an expression for the duration over which rates are taken, which follows from the time
that is shown."""

STEP = "$step"
"""Stands for the duration between two points of a line."""

Board = Literal["fleet", "host", "application", "databases", "backups"]
"""A page of panels."""

Kind = Literal["lines", "stacked", "number", "table", "marks"]
"""How a panel looks: lines over time; lines upon each other; the values of now as figures, or as a
table. `marks` are moments, drawn into all lines of the page."""

Unit = Literal["", "%", "bytes", "bytes/s", "s", "/s", "times"]
"""Unit of the values; "" for a count."""


@dataclass(frozen=True)
class Query:
    """Time series of a panel."""

    expression: str
    """In Prometheus' query language. Selectors contain `$hosts`, and `$apps` if they have a label
    `app`, so that hosts and applications can be chosen."""

    legend: str = "{{instance}}"
    """Name of each series, in which `{{LABEL}}` is a label's value."""

    apps: tuple[str, ...] = ()
    """Applications that it is about; empty: it is not about applications."""


@dataclass(frozen=True)
class Panel:
    """A part of a page. Panels of several hosts that have the same page and title are one."""

    board: Board
    title: str
    queries: tuple[Query, ...]
    unit: Unit = ""
    kind: Kind = "lines"
    about: str = ""
    """What it shows, if the title does not say it."""

    limits: tuple[float, ...] = ()
    """Values that are drawn as lines, such as those from which alerts fire."""

    most: float | None = None
    """End of the axis; None: it follows from the values."""


def panel(board: Board, title: str, *queries: Query, **values: object) -> Panel:
    """A panel, with its queries as arguments. `values` are further fields."""
    return Panel(board, title, tuple(queries), **values)  # type: ignore[arg-type]


def in_order(panels: Sequence[Panel]) -> list[Panel]:
    """Figures and tables first, as they are what one looks for first."""
    rank = {"number": 0, "table": 1}
    return sorted(panels, key=lambda item: rank.get(item.kind, 2))
