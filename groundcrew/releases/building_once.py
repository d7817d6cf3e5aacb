"""Decides which host of a run builds a release, and from which one the others get it.

Hosts share a builder if their builds would have the same result: the same inputs (keys of the
parts, variables and secrets of the build) and the same kind of system. The first of them that gets
there builds; the others wait until it has ended. A host that already has the parts is asked before
anything is built.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gevent.pool import Pool  # type: ignore[import-untyped]
from pyinfra import logger
from pyinfra.api import Host

from groundcrew.facts.parts import PartsState, Received
from groundcrew.releases import once
from groundcrew.releases.once import Turn, turn
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.shipping import ShippingError, bring, run_json
from groundcrew.releases.steps.build import parts_payload
from groundcrew.releases.target import Run
from groundcrew.releases.undo import connector_arguments

AT_ONCE = 10
"""Hosts that are asked at the same time."""

_plans: dict[str, dict[str, ReleasePlan]] = {}
_told: set[tuple[str, str]] = set()
_origins: dict[str, dict[str, str]] = {}


@dataclass(frozen=True)
class Job:
    """A release to build on the current host."""

    plan: ReleasePlan
    release: str
    whole: bool
    """Whether the release is there already, and only its parts are checked."""

    run: Run

    @property
    def name(self) -> str:
        """The application's name."""
        return self.plan.paths.name


@dataclass(frozen=True)
class Share:
    """What the current host does about a job that other hosts have as well."""

    turn: Turn
    missing: list[str]
    system: str
    origin: dict[str, str]
    """Where the host whose turn it is has its parts from, if it has not built them: the same for
    all that share the turn."""


def register(host: Host, plans: Sequence[ReleasePlan]) -> None:
    """Makes a host's plans known to the others of the run, before any operation runs."""
    for plan in plans:
        if plan.app.rollout.build == "once":
            _plans.setdefault(plan.paths.name, {})[host.name] = plan


def inputs(plan: ReleasePlan) -> str:
    """A digest of what the results of a build depend on, apart from the host's kind of system. The
    values of secrets are part of it."""
    parts = [
        *(plan.environment_key, plan.source_key, plan.code_key),
        sorted(plan.toolchain.environment.items()),
        sorted(plan.build_secrets.items()),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def peers(plan: ReleasePlan, host: Host) -> list[Host]:
    """The other hosts of the run with the same inputs, in the order of the inventory."""
    known = _plans.get(plan.paths.name, {})
    if host.name not in known:
        return []
    mine = inputs(plan)
    return [
        other
        for other in host.state.inventory
        if other is not host
        and other.connected
        and other.name in known
        and inputs(known[other.name]) == mine
    ]


def tell(plan: ReleasePlan, release: str, host: Host) -> None:
    """Says once per release, while changes are detected, that one host builds it for all."""
    others = peers(plan, host)
    key = (plan.paths.name, inputs(plan))
    if others and key not in _told:
        _told.add(key)
        host.log(
            f"{plan.paths.name}: release {release} is built on one host; others of the same system "
            "get what it has built"
        )


def shares(jobs: Sequence[Job], host: Host) -> dict[str, Share]:
    """Which of the jobs lack parts that other hosts of the run need as well; one round trip."""
    common = [job for job in jobs if peers(job.plan, host)]
    if not common:
        return {}
    try:
        states: Mapping[str, PartsState] = run_json(
            host,
            connector_arguments(host),
            "inspect_parts",
            [parts_payload(job.plan, job.run, here=True) for job in common],
        )
    except ShippingError as error:
        logger.warning(f"    {error}: this host builds for itself")
        return {}
    shared = {}
    for job in common:
        state = states[job.name]
        if state["system"] and state["missing"]:
            key = f"{inputs(job.plan)} {state['system']}"
            mine = turn("build", job.name, key, host.name)
            origin = _origins.setdefault(f"{job.name} {key}", {})
            shared[job.name] = Share(mine, state["missing"], state["system"], origin)
    return shared


def from_any(jobs: Sequence[Job], shared: Mapping[str, Share], host: Host) -> dict[str, Received]:
    """Brings parts to the host whose turn it is to build, from hosts that have them. Those that
    nobody has are built."""
    others = {other.name: other for job in jobs for other in peers(job.plan, host)}
    # Greenlets of the pool know no current operation.
    arguments = connector_arguments(host)
    answers = dict(
        zip(
            others,
            Pool(AT_ONCE).map(lambda other: _ask(other, jobs, arguments), others.values()),
            strict=True,
        )
    )
    received = {}
    for job in jobs:
        share = shared[job.name]
        having = [
            (len(parts), other, parts)
            for other in peers(job.plan, host)
            for state in [answers[other.name].get(job.name)]
            if state and state["system"] == share.system
            for parts in [[part for part in share.missing if part in state["there"]]]
            if parts
        ]
        for _, other, parts in sorted(having, key=lambda item: -item[0]):
            try:
                received[job.name] = bring(other, host, job.name, parts)
                share.origin.update(dict.fromkeys(parts, other.name))
                break
            except ShippingError as error:
                host.log(f"{job.name}: not from there: {error}", log_func=logger.warning)
    return received


def _ask(other: Host, jobs: Sequence[Job], arguments: dict[str, Any]) -> Mapping[str, PartsState]:
    """What another host has of the parts of these jobs; nothing if it does not answer."""
    payload = [parts_payload(job.plan, None, here=False) for job in jobs]
    try:
        states: Mapping[str, PartsState] = run_json(other, arguments, "inspect_parts", payload)
    except ShippingError as error:
        logger.warning(f"    {error}: nothing is taken from there")
        return {}
    return states


def give_up(jobs: Sequence[Job], host: Host) -> None:
    """Ends the turns that the host has not ended, as failed: others must not wait for it."""
    for job in jobs:
        once.failed(host.name, job.name)


def end(jobs: Sequence[Job], shared: Mapping[str, Share], bad: Sequence[str], host: Host) -> None:
    """The host has ended its own builds: hosts that wait for them go on."""
    for job in jobs:
        if job.name in bad:
            once.failed(host.name, job.name)
        elif job.name in shared:
            shared[job.name].turn.end(good=True)


def from_builder(job: Job, share: Share, host: Host) -> Received:
    """Waits for the host that builds, and brings what is missing from it. Raises ShippingError."""
    builder = share.turn.host
    share.turn.over.wait()
    if not share.turn.good:
        raise ShippingError(f"{builder} builds it for this host, and failed")
    # What was not built in this run comes from where the builder has it from: it is packed already.
    origins = {share.origin.get(part, builder) for part in share.missing}
    source = host.state.inventory.get_host(origins.pop() if len(origins) == 1 else builder)
    return bring(source, host, job.name, share.missing)
