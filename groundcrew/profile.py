"""Profiles a run: seconds, SSH commands and file transfers of every operation.

The output of a run and its report are made of it. If the environment variable GROUNDCREW_PROFILE
names a file, the run writes it there at its end; `benchmarks/converge` sets it.
"""

from __future__ import annotations

import atexit
import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pyinfra.api import Host
from pyinfra.api.state import BaseStateCallback, State

from groundcrew import transport

VARIABLE = "GROUNDCREW_PROFILE"


@dataclass
class Step:
    """One step on one host: `started` is Unix time, `seconds` the duration, `operation` pyinfra's
    hash of it."""

    name: str
    started: float
    seconds: float = 0.0
    commands: int = 0
    transfers: int = 0
    operation: str = ""


@dataclass
class HostProfile:
    """The connection to a host, its operations in order, and the totals of the whole run."""

    connect: Step
    operations: list[Step] = field(default_factory=list)
    commands: int = 0
    transfers: int = 0


PROFILES: dict[str, HostProfile] = {}


class Profiler(BaseStateCallback):
    """Records the times of pyinfra's events. A nested operation counts as part of the outer one."""

    @staticmethod
    def host_before_connect(state: State, host: Host) -> None:  # noqa: ARG004
        """The timer of the connection starts."""
        PROFILES.setdefault(host.name, HostProfile(Step("connect", time.time())))

    @staticmethod
    def host_connect(state: State, host: Host) -> None:  # noqa: ARG004
        """The timer of the connection stops; a later connection is part of an operation."""
        step = PROFILES[host.name].connect
        if not step.seconds:
            _stop(step, host)

    @staticmethod
    def operation_host_start(state: State, host: Host, op_hash: str) -> None:
        """The timer of an operation starts."""
        if host.executing_op_hash is None and op_hash in state.ops[host]:
            name = ", ".join(sorted(state.get_op_meta(op_hash).names))
            step = Step(name, time.time(), 0.0, *_counts(host), op_hash)
            PROFILES[host.name].operations.append(step)

    @staticmethod
    def operation_host_success(
        state: State,  # noqa: ARG004
        host: Host,
        op_hash: str,  # noqa: ARG004
        retry_count: int = 0,  # noqa: ARG004
    ) -> None:
        """The timer of the operation stops."""
        _stop_operation(host)

    @staticmethod
    def operation_host_error(
        state: State,  # noqa: ARG004
        host: Host,
        op_hash: str,  # noqa: ARG004
        retry_count: int = 0,  # noqa: ARG004
        max_retries: int = 0,  # noqa: ARG004
    ) -> None:
        """The timer of the operation stops."""
        _stop_operation(host)

    @staticmethod
    def host_disconnect(state: State, host: Host) -> None:  # noqa: ARG004
        """Saves the totals; nothing more runs on the host."""
        profile = PROFILES[host.name]
        profile.commands, profile.transfers = _counts(host)


def attach(state: State) -> None:
    """Profiles the run of `state`."""
    state.add_callback_handler(Profiler())
    path = os.environ.get(VARIABLE)
    if path:
        atexit.register(_write, Path(path), time.time())


def _counts(host: Host) -> tuple[int, int]:
    return transport.commands_run(host), transport.files_transferred(host)


def _stop_operation(host: Host) -> None:
    if host.nested_executing_op_hash is None:
        _stop(PROFILES[host.name].operations[-1], host)


def _stop(step: Step, host: Host) -> None:
    commands, transfers = _counts(host)
    step.seconds = time.time() - step.started
    step.commands, step.transfers = commands - step.commands, transfers - step.transfers


def _write(path: Path, ready: float) -> None:
    hosts = {name: asdict(profile) for name, profile in PROFILES.items()}
    result = {"ready": ready, "ended": time.time(), "hosts": hosts}
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
