"""Command line of benchmarks/converge; see benchmarks/README.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.measure import (
    command,
    lab,
    machine,
    profiled,
    report,
    roundtrip,
    same,
    script,
)
from benchmarks.measure.command import say
from benchmarks.measure.profiled import Run


def parser() -> argparse.ArgumentParser:
    """Returns the argument parser."""
    top = command.parser(
        "benchmarks/converge",
        "First converge against a plain shell script, and the run that changes nothing, on lab "
        "hosts of its own (bench-a, bench-b).",
    )
    top.add_argument("--repeat", type=int, default=3, help="rounds of the first converge")
    top.add_argument("--noop", type=int, default=5, help="runs that change nothing")
    top.add_argument("--operations", action="store_true", help="show every operation")
    return top


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints the results. Raises BenchmarkError."""
    about = machine.describe()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print()

    say("round 0, which warms caches on the way to the mirrors and is not counted")
    lab.fresh(lab.GROUNDCREW, suite=options.suite)
    profiled.converge()
    kit = script.kit(lab.GROUNDCREW)

    ours, theirs = [], []
    for number in range(1, options.repeat + 1):
        lab.fresh(lab.GROUNDCREW, lab.SCRIPT, suite=options.suite)
        # The second one may find the mirrors' caches warm, so the order alternates.
        for ours_now in (True, False) if number % 2 else (False, True):
            say(f"round {number}: {'groundcrew' if ours_now else 'script'}")
            if ours_now:
                ours.append(profiled.converge())
            else:
                theirs.append(script.converge(kit))
    differences = same.differences()
    answers = {name: same.answers(name) for name in (lab.GROUNDCREW, lab.SCRIPT)}
    for line in report.first_lines(ours, theirs, differences):
        print(line)
    for name, statuses in answers.items():
        print(f"  {name} answers through nginx: {statuses}")
    if options.operations:
        print(*report.operation_lines(profiled.by_operation(ours)), sep="\n")
    print(flush=True)

    noop = []
    for number in range(1, options.noop + 1):
        say(f"run {number} that changes nothing")
        noop.append(profiled.converge())
    stalled = roundtrip.seconds_per_command(nodelay=False)
    immediate = roundtrip.seconds_per_command(nodelay=True)
    for line in report.noop_lines(noop, stalled, immediate):
        print(line)
    if options.operations:
        print(*report.operation_lines(profiled.by_operation(noop)), sep="\n")

    return {
        "machine": about,
        "first": {
            **report.first(ours, theirs),
            "groundcrew_runs": [asdict(run) for run in ours],
            "script_runs": [asdict(run) for run in theirs],
            "differences": differences,
            "answers": answers,
        },
        "noop": {
            "runs": [asdict(run) for run in noop],
            "commands": noop[0].commands,
            "seconds_per_command": {"paramiko": stalled, "nodelay": immediate},
        },
        command.PROBLEMS: problems(differences, answers, noop),
    }


def problems(
    differences: Sequence[str], answers: Mapping[str, Mapping[str, int]], noop: Sequence[Run]
) -> list[str]:
    """Reasons why the results are invalid."""
    differing = [f"the hosts differ: {line}" for line in differences]
    for name, statuses in answers.items():
        differing += [f"{name}: {app} answers {got}" for app, got in statuses.items() if got != 200]
    differing += [
        f"a run changed {run.changes} operations, not none" for run in noop if run.changes
    ]
    return differing


if __name__ == "__main__":
    sys.exit(command.run(parser(), measure, lab.GROUNDCREW, lab.SCRIPT))
