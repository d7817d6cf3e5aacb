"""What monitoring costs the host that is monitored: a run that changes nothing, and how fast its
application answers, with and without in turns on the same host."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import command, lab, machine
from benchmarks.measure.command import say
from benchmarks.measure.lab import BenchmarkError
from benchmarks.measure.load import Load

WATCHED, MONITOR = "bench-watched", "bench-monitor"
INVENTORY = """\
from groundcrew.lab import inventory as _lab

for _group, _hosts in _lab.running().items():
    globals()[_group] = [item for item in _hosts if item[0] in {names!r}]
"""
DATA = {
    "app.hello.nginx.limits": False,
    "app.hello.release.drain": 0,
    "app.hello.release.check_window": 1,
}
AGENTS = "prometheus-node-exporter prometheus-blackbox-exporter groundcrew-metrics-traffic"
MOST = 1.1
"""How many times as long a run that changes nothing may take."""


@dataclass(frozen=True)
class Round:
    """What was measured in one half of a round; seconds."""

    run: float
    """A run that changes nothing."""

    commands: int
    p50: float
    p99: float
    requests: int
    failed: int
    busy: float
    """Share of the processors that other work used before it."""


def parser() -> argparse.ArgumentParser:
    """Returns the argument parser."""
    top = command.parser(
        "benchmarks/monitoring",
        "What monitoring costs the host that is monitored, on lab hosts of its own "
        f"({WATCHED}, {MONITOR}).",
    )
    top.add_argument("--rounds", type=int, default=4, help="rounds, each without and with")
    top.add_argument("--noop", type=int, default=3, help="runs that change nothing, in each half")
    top.add_argument("--seconds", type=float, default=20, help="of requests, in each half")
    top.add_argument("--rate", type=int, default=200, help="requests a second")
    return top


def deploy(inventory: Path, *hosts: str) -> tuple[float, int, int]:
    """Seconds, SSH commands and changes of a run."""
    data = [f"--data={key}={json.dumps(value)}" for key, value in DATA.items()]
    limits = [f"--limit={name}" for name in hosts]
    with tempfile.NamedTemporaryFile(suffix=".json") as profile:
        started = time.monotonic()
        done = lab.run(
            ["pyinfra", str(inventory), "deploy.py", "-y", "--json", *limits, *data],
            environment={"GROUNDCREW_PROFILE": profile.name},
        )
        seconds = time.monotonic() - started
        profiled = json.loads(Path(profile.name).read_text(encoding="utf-8"))
    operations = json.loads(done.stdout)["results"]["operations"]
    changes = sum(bool(item["success"]) for item in operations)
    return seconds, sum(profiled["hosts"][name]["commands"] for name in hosts), changes


def switch(inventory: Path, monitored: bool) -> None:
    """Turns monitoring on or off. What is not monitored any more keeps its agents until somebody
    removes them, so they are stopped here."""
    if monitored:
        lab.as_root(MONITOR, "systemctl start prometheus")
        deploy(inventory, WATCHED, MONITOR)
        return
    # Before the run, whose checks know no program that listens at their ports.
    lab.as_root(MONITOR, "systemctl stop prometheus")
    lab.as_root(WATCHED, f"systemctl stop {AGENTS}")
    deploy(inventory, WATCHED)


def measured(options: argparse.Namespace, inventory: Path) -> Round:
    """One half of a round."""
    busy = machine.busy()
    runs = [deploy(inventory, WATCHED) for _ in range(options.noop)]
    if any(changes for _, _, changes in runs):
        raise BenchmarkError("a run that should change nothing changes something")
    load = Load(lab.address(WATCHED), "hello.test", options.rate)
    # The first seconds are not counted.
    time.sleep(2)
    began = time.time()
    time.sleep(options.seconds)
    ended = time.time()
    load.end()
    seen = load.window(began, ended)
    seconds = median(run[0] for run in runs)
    return Round(seconds, runs[0][1], seen.p50, seen.p99, seen.requests, seen.failed, busy)


def ratio(rounds: Sequence[Mapping[bool, Round]], key: str) -> float:
    """The median of the rounds, each with monitoring divided by without."""
    return median(getattr(item[True], key) / getattr(item[False], key) for item in rounds)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints the results. Raises BenchmarkError."""
    os.chdir(lab.ROOT)
    about = machine.describe()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    for name, group in ((WATCHED, "web"), (MONITOR, "monitoring")):
        lab.run(["bin/lab", "reset", name, "--suite", options.suite, "--group", group])
    rounds: list[dict[bool, Round]] = []
    with tempfile.TemporaryDirectory() as folder:
        inventories = {}
        for monitored, names in ((False, [WATCHED]), (True, [WATCHED, MONITOR])):
            place = Path(folder) / ("with" if monitored else "without")
            (place / "group_data").mkdir(parents=True)
            (place / "group_data/web.py").write_text('apps = ["hello"]\n')
            inventories[monitored] = place / "inventory.py"
            inventories[monitored].write_text(INVENTORY.format(names=names))
        say("first run, which is not counted")
        deploy(inventories[True], WATCHED, MONITOR)
        for number in range(1, options.rounds + 1):
            half: dict[bool, Round] = {}
            for monitored in (False, True) if number % 2 else (True, False):
                say(f"round {number}: {'with' if monitored else 'without'}")
                switch(inventories[monitored], monitored)
                half[monitored] = measured(options, inventories[monitored])
            rounds.append(half)
    print(*lines(rounds), sep="\n")
    return {
        "machine": about,
        "rounds": [{str(key): asdict(value) for key, value in item.items()} for item in rounds],
        "ratios": {key: ratio(rounds, key) for key in ("run", "p50", "p99")},
        command.PROBLEMS: problems(rounds),
    }


def lines(rounds: Sequence[Mapping[bool, Round]]) -> list[str]:
    """The results as text."""
    figures = [
        f"{'round':<7}{'':<9}{'no-op run':>10}{'commands':>10}{'p50':>10}{'p99':>10}{'busy':>7}"
    ]
    for number, item in enumerate(rounds, 1):
        for monitored, name in ((False, "without"), (True, "with")):
            half = item[monitored]
            figures.append(
                f"{number:<7}{name:<9}{half.run:>8.2f} s{half.commands:>10}"
                f"{1000 * half.p50:>7.1f} ms{1000 * half.p99:>7.1f} ms{half.busy:>7.0%}"
            )
    for key, name in (("run", "no-op run"), ("p50", "p50"), ("p99", "p99")):
        figures.append(f"{name}, with / without, median of the rounds: {ratio(rounds, key):.2f}")
    return figures


def problems(rounds: Sequence[Mapping[bool, Round]]) -> list[str]:
    """Reasons why the results are invalid or miss the target."""
    failed = sum(half.failed for item in rounds for half in item.values())
    complaints = [f"{failed} requests failed"] if failed else []
    costs = ratio(rounds, "run")
    if costs > MOST:
        complaints.append(f"a run that changes nothing takes {costs:.2f} times as long, not {MOST}")
    return complaints


if __name__ == "__main__":
    sys.exit(command.run(parser(), measure, WATCHED, MONITOR))
