"""Steady requests to an application during other operations."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.measure import lab

PROGRAM = lab.ROOT / "tests" / "e2e" / "load.py"
LONGEST = 900


@dataclass(frozen=True)
class Window:
    """What clients saw in a period of time; latencies in seconds."""

    requests: int
    failed: int
    seconds: float
    p50: float
    p99: float


class Load:
    """GET and POST requests at a steady rate over kept and new connections, without retries."""

    def __init__(self, address: str, host: str, rate: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM), address, host, str(LONGEST), str(rate)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._samples: list[tuple[float, float]] = []
        self._failures: list[float] = []

    def end(self) -> None:
        """Stops the clients and collects their results."""
        output, _ = self._process.communicate(timeout=60)
        result = json.loads(output)
        self._samples = [(float(at), float(took)) for at, took in result["samples"]]
        self._failures = [float(text.split()[0]) for text in result["failures"]]

    def window(self, started: float, ended: float) -> Window:
        """The results between two moments (Unix time)."""
        took = sorted(seconds for at, seconds in self._samples if started <= at <= ended)
        failed = sum(started <= at <= ended for at in self._failures)
        return Window(len(took), failed, ended - started, _share(took, 0.5), _share(took, 0.99))


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
