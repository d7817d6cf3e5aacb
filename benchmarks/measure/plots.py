"""Plots of benchmarks/fleet, by matplotlib in the peer's virtualenv."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import lab

PROGRAM = """
import json, sys
import matplotlib
matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "groundcrew"
import matplotlib.pyplot as plt
from statistics import median
figures, tools, folder = json.load(sys.stdin)
latencies = sorted({item["latency"] for item in figures})
for step in dict.fromkeys(item["step"] for item in figures):
    chart, panes = plt.subplots(1, len(latencies), figsize=(4 * len(latencies), 3.2), sharey=True,
                                squeeze=False)
    for pane, latency in zip(panes[0], latencies):
        for tool in tools:
            mine = [i for i in figures
                    if (i["tool"], i["latency"], i["step"]) == (tool, latency, step)]
            hosts = sorted({i["hosts"] for i in mine})
            seconds = [median(i["seconds"] for i in mine if i["hosts"] == n) for n in hosts]
            pane.plot(hosts, seconds, marker="o", label=tool)
        pane.set_title(f"{latency} ms")
        pane.set_xlabel("hosts")
        pane.set_ylim(bottom=0)
        pane.grid(alpha=0.3)
    panes[0][0].set_ylabel("seconds")
    panes[0][0].legend(frameon=False)
    chart.suptitle(step)
    chart.tight_layout()
    name = step.replace(" ", "-")
    chart.savefig(f"{folder}/fleet-{name}.svg", metadata={"Date": None})
"""


def write(figures: Sequence[Any], tools: Sequence[str], folder: Path) -> None:
    """Writes one SVG file for each kind of run into `folder`. Raises BenchmarkError."""
    from benchmarks.measure.peer import PROGRAMS  # noqa: PLC0415 - it imports much

    folder.mkdir(parents=True, exist_ok=True)
    data = json.dumps([[asdict(item) for item in figures], list(tools), str(folder)])
    lab.run([str(PROGRAMS / "bin" / "python"), "-c", PROGRAM], data.encode())
