"""The steps before a release serves: it is built aside, and gets its settings and units.

Every step reads the host's state when it runs, so a run that was cut off anywhere is continued by
the next one. The live release is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, operation

from groundcrew.entries import Entry
from groundcrew.facts.apps import AppState
from groundcrew.operations.upload import stage
from groundcrew.releases import apart, commands, resolved
from groundcrew.releases.apart import Commands
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.rollout import rollout
from groundcrew.releases.run_state import (
    DAMAGED,
    FIRST,
    RELEASE,
    SETTLED,
    app_state,
    app_states,
    known,
    run_of,
    shell,
    take_lock,
)
from groundcrew.releases.target import is_active, is_built, lacks_single, misplaced, settled
from groundcrew.releases.undo import connector_arguments


@operation()
def build(plans: Sequence[ReleasePlan]) -> Commands:
    """Builds releases aside unless they are there, side by side; a failed build leaves nothing
    behind, and concerns no other application.

    From here on the run holds the lock of each application that has something to release.

    + plans: the releases
    """
    names = [plan.paths.name for plan in plans]
    if host.state.is_executing:
        apart.begin(host, names)
    states = app_states(names) if names else {}
    payloads: list[dict[str, Any]] = []
    for plan in plans:
        if _has_work(plan, states[plan.paths.name]):
            yield from _begin_build(plan, payloads)
        else:
            apart.good(host, plan.paths.name)
    if payloads:
        yield apart.each("build_release", payloads, connector_arguments(host))
    bad = apart.blamed(host)
    resolved.end([plan for plan in plans if plan.paths.name not in bad], host)
    yield from apart.end(host)


def _has_work(plan: ReleasePlan, state: AppState) -> bool:
    """Whether the host does not serve the plan's release yet; notes what there is to know."""
    name = plan.paths.name
    release = plan.release_id(state)
    if host.state.is_executing:
        known(RELEASE)[name] = release
        _tell_taken_back(plan, state)
    if not settled(plan.target, state, release):
        return True
    host.noop(f"{name}: release {release} is live")
    moving = misplaced(plan.target, state) or lacks_single(plan.target, state, release)
    if host.state.is_executing and not moving:
        known(SETTLED)[name] = state
    return False


def _begin_build(plan: ReleasePlan, payloads: list[dict[str, Any]]) -> Commands:
    name = plan.paths.name
    rollout(name).candidates.add(host.name)
    if not take_lock(plan.target):
        return
    state = app_state(plan.target)
    release = plan.release_id(state)
    if host.state.is_executing:
        known(RELEASE)[name] = release
        if state["live"] is None:
            known(FIRST)[name] = release
        # One that keeps dying looks well at moments, and may die of what is built again now.
        dead = state["live"] == release and not all(
            is_active(state, unit) for unit in plan.target.on(state).units(release)
        )
        if state["damaged"] or dead:
            known(DAMAGED)[name] = release
    if not plan.is_of(release):
        host.noop(f"{name}: {release} is led back to, not built")
        apart.good(host, name)
        return
    if not host.state.is_executing and is_built(state, release):
        host.noop(f"{name}: release {release} is built")
        return
    # One that is built is only looked through: a file of it may have been damaged since.
    staged: list[str] = []
    if plan.bundle.archive and not (is_built(state, release) and not state["damaged"]):
        archive = plan.bundle.archive
        prefix = f"groundcrew-{name}"
        yield FunctionCommand(lambda: staged.append(stage(host, archive, prefix)), (), {})
    pins = resolved.elsewhere(plan, host) if host.state.is_executing else None
    payloads.append(
        commands.build_payload(
            plan, release, staged[0] if staged else None, pins, run_of(plan.target)
        )
    )


def _tell_taken_back(plan: ReleasePlan, state: AppState) -> None:
    left = plan.is_taken_back(state)
    if left:
        note = state["taken_back"][left]
        name = plan.paths.name
        logger.warning(
            f"    [{host.name}] {name}: this is release {left}, which {note['operator']} left by a "
            f"rollback on {note['time']}: {state['live']} stays live. To release it again: "
            f"--data again={name}"
        )


def release_files(plans: Sequence[ReleasePlan]) -> list[Entry]:
    """The releases' environments, configuration and units, for `files.manage` when it runs."""
    entries: list[Entry] = []
    for plan in plans:
        if plan.paths.name in apart.failed(host):
            continue
        release = known(RELEASE).get(plan.paths.name) or plan.release_id(app_state(plan.target))
        # Not those of a release that a rollback has led to: they are as they were.
        if plan.is_of(release):
            entries += plan.entries(release)
    return entries


@operation()
def start_first(plans: Sequence[ReleasePlan]) -> Commands:
    """Starts the first releases of applications together: they need not wait for each other.

    Not where a release is to wait for something: its hooks, a canary, a socket that systemd holds.

    + plans: the releases
    """
    for plan in plans:
        name = plan.paths.name
        release = known(FIRST).get(name)
        if release is None or name in apart.failed(host):
            continue
        waits = plan.app.hooks.release or plan.target.holds(release)
        if not waits and rollout(name).candidates == {host.name}:
            apart.begin(host, [name])
            yield shell(plan.target, commands.start(plan.target, release))
            apart.good(host, name)
