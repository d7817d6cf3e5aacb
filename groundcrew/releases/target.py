"""An application on a host, as the steps of a release see it."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from groundcrew.facts.apps import AppState
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.status.parts import part

Run = dict[str, str] | None
"""What a step on the host knows about its run, see `groundcrew/remote/run_lock.py`; None if the run
does not hold the application's lock."""


def operator() -> str:
    """The operator, for the log and the lock, as `user@machine`."""
    user = os.environ.get("GROUNDCREW_OPERATOR") or getpass.getuser()
    return f"{user}@{socket.gethostname()}"


@dataclass(frozen=True)
class Target:
    """An application with its settings."""

    paths: AppPaths
    app: AppSettings
    drain: int
    """Seconds that nginx may keep using connections to a replaced release."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """Number of instances by release. A release keeps the number that it was created with (see
    `on`)."""

    held: Mapping[str, bool] = field(default_factory=dict)
    """Whether systemd holds the socket, by release (see `holds`)."""

    on_other_hosts: frozenset[str] = frozenset()
    """Workers and timers that another host runs on behalf of all."""

    def holds(self, release: str) -> bool:
        """Whether systemd holds the socket of a release (strategy `restart`). A release keeps the
        strategy that it was created with."""
        return self.held.get(release, self.app.release.strategy == "restart")

    def on(self, state: AppState) -> Target:
        """A copy with the numbers of instances and the strategies of the releases on the host."""
        pattern = re.compile(rf"{re.escape(self.paths.name)}@([^.]+)(?:\.(\d+))?\.service")
        counts: dict[str, int] = {}
        for unit in state["units"]:
            if match := pattern.fullmatch(unit):
                counts[match[1]] = max(counts.get(match[1], 1), int(match[2] or 1))
        releases = state["releases"].items()
        held = {name: item["held"] for name, item in releases if item["held"] is not None}
        return replace(self, counts=counts, held=held)

    def instances(self, release: str) -> range:
        """The numbers of a release's instances, from 1."""
        return range(1, self.counts.get(release, self.app.instances) + 1)

    def units(self, release: str) -> list[str]:
        """The units that serve a release, one for each instance."""
        return [self.paths.unit(release, number) for number in self.instances(release)]

    def sockets(self, release: str) -> list[str]:
        """The sockets that a release listens on, one for each instance."""
        return [
            self.paths.held if self.holds(release) else self.paths.socket(release, number)
            for number in self.instances(release)
        ]


def is_active(state: AppState, unit: str) -> bool:
    """Whether the unit is active."""
    return unit in state["units"] and state["units"][unit]["active"] == "active"


def is_enabled(state: AppState, unit: str) -> bool:
    """Whether the unit starts at boot."""
    return unit in state["units"] and state["units"][unit]["enabled"] == "enabled"


def is_built(state: AppState, release: str) -> bool:
    """Whether the release is completely built."""
    return release in state["releases"] and state["releases"][release]["built"]


def followers(state: AppState, paths: AppPaths, release: str) -> list[str]:
    """The units of a release's workers and timers on the host."""
    prefix = f"{paths.name}."
    units = []
    for unit in state["units"]:
        _, _, instance = unit.partition("@")
        if unit.startswith(prefix) and instance.startswith(release):
            timer, job = unit.endswith(".timer"), instance == f"{release}.service"
            if timer or not job:
                units.append(unit)
    return sorted(units)


def is_worker(target: Target, unit: str) -> bool:
    """Whether the unit belongs to a worker, not to a timer."""
    return part(target.paths.name, unit).kind == "worker"


def misplaced(target: Target, state: AppState) -> list[str]:
    """Units of workers and timers on this host that another host should run."""
    return sorted(
        name
        for name, unit in state["units"].items()
        if target.paths.part(name) in target.on_other_hosts
        and (unit["active"] != "inactive" or unit["enabled"])
    )


def lacks_single(target: Target, state: AppState, release: str) -> bool:
    """Whether this host should run a worker or timer on behalf of all and has no unit of it yet."""
    mine = target.app.single_parts - target.on_other_hosts
    present = {target.paths.part(name) for name in followers(state, target.paths, release)}
    return not mine <= present


def settled(target: Target, state: AppState, release: str) -> bool:
    """Whether the release is live, starts at boot, and needs no repair."""
    there = target.on(state)
    return (
        state["live"] == state["current"] == release
        and not state["damaged"]
        and state["held"] == there.holds(release)
        and all(is_active(state, unit) and is_enabled(state, unit) for unit in there.units(release))
    )
