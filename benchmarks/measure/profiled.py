"""Runs of groundcrew, and how they spend their time."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.measure import lab, machine

STARTING = "(start, inventory, settings)"
CONNECTING = "(connect)"
PREPARING = "(prepare operations)"
ENDING = "(disconnect, end)"


@dataclass
class Part:
    """A part of a run: an operation, or the time between operations."""

    role: str
    name: str
    seconds: float
    commands: int = 0
    transfers: int = 0


@dataclass
class Run:
    """A whole run, timed from outside."""

    seconds: float
    busy: float
    """Share of the machine that was in use right before the run."""
    parts: list[Part] = field(default_factory=list)
    changes: int = 0

    @property
    def commands(self) -> int:
        """Number of SSH commands."""
        return sum(part.commands for part in self.parts)

    @property
    def transfers(self) -> int:
        """Number of files transferred by SFTP."""
        return sum(part.transfers for part in self.parts)

    def without(self, role: str) -> float:
        """Seconds without those of one role."""
        return self.seconds - sum(part.seconds for part in self.parts if part.role == role)


def converge() -> Run:
    """Runs deploy.py. Raises BenchmarkError."""
    used = machine.busy()
    with tempfile.NamedTemporaryFile(suffix=".json") as profile:
        started = time.time()
        output = lab.pyinfra("deploy.py", GROUNDCREW_PROFILE=profile.name)
        ended = time.time()
        parts = list(split(json.load(profile), started, ended))
    return Run(ended - started, used, parts, changes(output))


def split(profile: dict[str, Any], started: float, ended: float) -> Iterator[Part]:
    """The parts of a run in order. Their seconds add up to those of the run."""
    host = profile["hosts"][lab.GROUNDCREW]
    connect, operations = host["connect"], host["operations"]
    connected = connect["started"] + connect["seconds"]
    first = operations[0]["started"]
    counted = sum(operation["commands"] for operation in operations)
    yield Part("pyinfra", STARTING, connect["started"] - started)
    yield Part("pyinfra", CONNECTING, connect["seconds"], connect["commands"])
    yield Part(
        "pyinfra",
        PREPARING,
        first - connected,
        host["commands"] - connect["commands"] - counted,
    )
    now = first
    for operation in operations:
        role, _, name = operation["name"].partition(" | ")
        # The time between two operations counts towards the second one.
        finished = operation["started"] + operation["seconds"]
        yield Part(role, name, finished - now, operation["commands"], operation["transfers"])
        now = finished
    yield Part("pyinfra", ENDING, ended - now)


def by_role(runs: Sequence[Run]) -> list[Part]:
    """Median seconds of each role over several runs, in the order of the run."""
    roles = dict.fromkeys(part.role for part in runs[0].parts)
    medians = []
    for role in roles:
        mine = [[part for part in run.parts if part.role == role] for run in runs]
        seconds = median(sum(part.seconds for part in parts) for parts in mine)
        first = mine[0]
        commands = sum(part.commands for part in first)
        transfers = sum(part.transfers for part in first)
        medians.append(Part(role, f"{len(first)}", seconds, commands, transfers))
    return medians


def by_operation(runs: Sequence[Run]) -> list[Part]:
    """Median seconds of each operation over several runs, in the order of the run."""
    return [
        Part(
            same[0].role,
            same[0].name,
            median(part.seconds for part in same),
            same[0].commands,
            same[0].transfers,
        )
        for same in zip(*(run.parts for run in runs), strict=True)
    ]


def changes(output: str) -> int:
    """Number of operations with changes, from the last line of a run."""
    ends = re.findall(r"^groundcrew: (nothing to change|\d+ changes?) on ", output, re.MULTILINE)
    if not ends:
        raise lab.BenchmarkError(f"the run printed no results:\n{output[-2000:]}")
    return 0 if ends[-1].startswith("nothing") else int(ends[-1].split()[0])
