"""Plots of benchmarks, by matplotlib in the peer's virtualenv."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measure import lab

PROGRAM = """
import json, sys
import matplotlib
matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "groundcrew"
import matplotlib.pyplot as plt
title, panes, file = json.load(sys.stdin)
chart, places = plt.subplots(1, len(panes), figsize=(4 * len(panes), 3.4), sharey=True,
                             squeeze=False)
for place, pane in zip(places[0], panes):
    for label, points in pane["lines"].items():
        place.plot(*zip(*points), marker="o", label=label)
    place.set_title(pane["title"])
    place.set_xlabel(pane["axis"])
    place.set_ylim(bottom=0)
    place.set_xlim(left=0)
    place.grid(alpha=0.3)
    place.legend(frameon=False, fontsize="small")
places[0][0].set_ylabel("seconds")
chart.suptitle(title)
chart.tight_layout()
chart.savefig(file, metadata={"Date": None})
"""


@dataclass(frozen=True)
class Pane:
    """One of the charts of a plot, which share the scale of seconds."""

    title: str
    axis: str
    """What is along the bottom."""

    lines: Mapping[str, Sequence[tuple[float, float]]]
    """Name -> points."""


def write(title: str, panes: Sequence[Pane], file: Path) -> None:
    """Writes an SVG file. Raises BenchmarkError."""
    from benchmarks.measure.peer import programs  # noqa: PLC0415 - it imports much

    file.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps([title, [asdict(pane) for pane in panes], str(file)])
    lab.run([str(programs()), "-c", PROGRAM], data.encode())
