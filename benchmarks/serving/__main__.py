"""Command line of benchmarks/serve; see benchmarks/README.md."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import command, lab, machine
from benchmarks.measure.lab import BenchmarkError

HOST = "bench-serve"
FOLDER = Path(__file__).parent
TARGET = 0.15
"""Largest share of gunicorn's requests per second that nginx may cost on the page."""
SETTINGS = {
    "apps": ["hello"],
    "app.hello.source.directory": str(FOLDER / "page"),
    "app.hello.checks": [],
}

Rates = Mapping[tuple[str, str], Sequence[float]]


def parser() -> argparse.ArgumentParser:
    """Returns the argument parser."""
    top = command.parser(
        "benchmarks/serve",
        "Requests per second of one application under its framework's development server, under "
        f"gunicorn alone, and deployed, on a lab host of its own ({HOST}).",
    )
    top.add_argument("--rounds", type=int, default=8, help="how often each is measured")
    top.add_argument("--seconds", type=int, default=2, help="how long each time")
    top.add_argument("--connections", type=int, default=64, help="clients at the same time")
    return top


def deploy(suite: str) -> None:
    """Provisions a host that serves the page, and installs wrk on it."""
    lab.fresh(HOST, suite=suite)
    data = [f"--data={key}={_text(value)}" for key, value in SETTINGS.items()]
    lab.run(["pyinfra", "inventory/lab.py", "deploy.py", "-y", "--limit", HOST, *data])
    lab.as_root(HOST, "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq wrk >/dev/null")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def samples(rounds: int, seconds: int, connections: int) -> dict[tuple[str, str], list[float]]:
    """(way, path) -> requests per second. Raises BenchmarkError if a request failed."""
    script = (FOLDER / "measure.sh").read_bytes()
    invocation = f"bash -s -- {rounds} {seconds} {connections}"
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    for line in lab.as_root(HOST, invocation, script).decode().splitlines():
        way, path, rate, errors = line.split()
        if int(errors):
            raise BenchmarkError(f"{way} {path}: {errors} requests failed")
        rates[way, path].append(float(rate))
    return rates


def lines(rates: Rates, connections: int) -> list[str]:
    """The results as lines of text."""
    ready = {way: statistics.median(rates[way, "/ready"]) for way in ("gunicorn", "deployed")}
    return [
        f"requests per second, {connections} connections:",
        f"  development server            {statistics.median(rates['development', '/']):8.0f}",
        f"  gunicorn without nginx        {statistics.median(rates['gunicorn', '/']):8.0f}",
        f"  deployed (nginx, gunicorn)    {statistics.median(rates['deployed', '/']):8.0f}",
        f"deployed / development server: {ratio(rates, 'development', '/'):.2f}",
        f"nginx costs {cost(rates, '/'):.0%} on this page",
        f"and {cost(rates, '/ready'):.0%} on one of its size that takes no work at all "
        f"({ready['gunicorn']:.0f} -> {ready['deployed']:.0f})",
    ]


def ratio(rates: Rates, other: str, path: str) -> float:
    """Requests per second when deployed, relative to another way: the median over the rounds. Each
    round measures both in direct succession."""
    pairs = zip(rates["deployed", path], rates[other, path], strict=True)
    return statistics.median(deployed / compared for deployed, compared in pairs)


def cost(rates: Rates, path: str) -> float:
    """Share of gunicorn's requests per second that is lost with nginx in front."""
    return 1 - ratio(rates, "gunicorn", path)


def problems(rates: Rates) -> list[str]:
    """Missed targets."""
    texts = []
    if ratio(rates, "development", "/") <= 1:
        texts.append("the deployed application is not faster than the development server")
    if cost(rates, "/") > TARGET:
        texts.append(f"nginx costs more than {TARGET:.0%}")
    return texts


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints the results. Raises BenchmarkError."""
    about = machine.describe()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    deploy(options.suite)
    busy = machine.busy()
    measured = samples(options.rounds, options.seconds, options.connections)
    print(f"busy {busy}", *lines(measured, options.connections), sep="\n")
    return {
        "machine": about,
        "busy": busy,
        "samples": {" ".join(key): values for key, values in measured.items()},
        command.PROBLEMS: problems(measured),
    }


if __name__ == "__main__":
    sys.exit(command.run(parser(), measure, HOST))
