"""The first steps of a release: build it beside the live one, write its settings and units.

Every step reads the host's state when it runs, so the next run continues one that was interrupted
at any point. The live release is not touched.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, operation

from groundcrew.entries import Entry
from groundcrew.facts.apps import AppState
from groundcrew.facts.parts import Received
from groundcrew.operations.upload import stage
from groundcrew.read_first import reading_first
from groundcrew.releases import apart, building_once, resolved
from groundcrew.releases.apart import Commands
from groundcrew.releases.building_once import Job, Share
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
from groundcrew.releases.shipping import ShippingError
from groundcrew.releases.steps.build import build_payload
from groundcrew.releases.steps.units import start_units
from groundcrew.releases.target import is_active, is_built, lacks_single, misplaced, settled
from groundcrew.releases.undo import connector_arguments


@operation()
@reading_first
def build(plans: Sequence[ReleasePlan]) -> Commands:
    """Builds the releases that are missing, in parallel. A failed build leaves nothing behind and
    does not affect other applications.

    From here on the run holds the lock of each application that has something to release.

    + plans: the releases
    """
    names = [plan.paths.name for plan in plans]
    states = app_states(names) if names else {}
    if host.state.is_executing:
        apart.begin(host, names)
    to_build = []
    for plan in plans:
        if not _has_work(plan, states[plan.paths.name]):
            apart.good(host, plan.paths.name)
        elif _take(plan):
            to_build.append(plan)
    if to_build and host.state.is_executing:
        # Before the locks were taken, another run may have changed the state.
        states = app_states([plan.paths.name for plan in to_build])
    jobs = [job for plan in to_build if (job := _begin_build(plan, states[plan.paths.name]))]
    if host.state.is_executing:
        try:
            yield from _build_or_receive(plans, jobs)
        finally:
            building_once.give_up(jobs, host)
    elif jobs:
        payloads = [build_payload(job.plan, job.release, None) for job in jobs]
        yield apart.each("build_release", payloads, connector_arguments(host))
    yield from apart.end(host)


def _build_or_receive(plans: Sequence[ReleasePlan], jobs: Sequence[Job]) -> Commands:
    """Builds what it is this host's turn to build, and then receives what others have built. No
    host waits for another one's build before its own have ended."""
    shared = building_once.shares(jobs, host)
    own = [job for job in jobs if _is_own(shared.get(job.name))]
    received = building_once.from_any([job for job in own if job.name in shared], shared, host)
    payloads = []
    for job in own:
        brought = received.get(job.name)
        if brought and brought["parts"] == shared[job.name].missing:
            payloads.append(_received(job, brought))
        else:
            payloads.append((yield from _payload(job, brought)))
    if payloads:
        yield apart.each("build_release", payloads, connector_arguments(host))
    bad = apart.blamed(host)
    resolved.end([plan for plan in plans if plan.paths.name not in bad], host)
    building_once.end(own, shared, bad, host)
    payloads = []
    for job in jobs:
        if job not in own:
            try:
                brought = building_once.from_builder(job, shared[job.name], host)
            except ShippingError as error:
                host.log_styled(f"{job.name}: not built: {error}", log_func=logger.error, fg="red")
            else:
                payloads.append(_received(job, brought))
    if payloads:
        yield apart.each("build_release", payloads, connector_arguments(host))


def _is_own(share: Share | None) -> bool:
    """Whether the current host itself builds."""
    return share is None or share.turn.host == host.name


def _received(job: Job, received: Received) -> dict[str, Any]:
    """What a host is told that builds nothing."""
    return build_payload(job.plan, job.release, None, run=job.run, received=received, builds=False)


def _payload(
    job: Job, received: Received | None
) -> Generator[FunctionCommand, None, dict[str, Any]]:
    """What a host is told that builds; its source is uploaded first."""
    # A release that is built is only checked: its files may have been damaged since.
    staged: list[str] = []
    if job.plan.bundle.archive and not job.whole:
        archive = job.plan.bundle.archive
        prefix = f"groundcrew-{job.name}"
        yield FunctionCommand(lambda: staged.append(stage(host, archive, prefix)), (), {})
    pins = resolved.from_another_host(job.plan, host)
    return build_payload(
        job.plan, job.release, staged[0] if staged else None, pins, job.run, received=received
    )


def _has_work(plan: ReleasePlan, state: AppState) -> bool:
    """Whether the plan's release is not live on the host yet; records what the run needs to
    know."""
    name = plan.paths.name
    release = plan.release_id(state)
    if host.state.is_executing:
        known(RELEASE)[name] = release
        _tell_taken_back(plan, state)
    if not settled(plan.target, state, release) or not is_built(state, release):
        return True
    host.noop(f"{name}: release {release} is live")
    moving = misplaced(plan.target, state) or lacks_single(plan.target, state, release)
    if host.state.is_executing and not moving:
        known(SETTLED)[name] = state
    return False


def _take(plan: ReleasePlan) -> bool:
    """Takes the application's lock; returns whether the run holds it."""
    rollout(plan.paths.name).candidates.add(host.name)
    return take_lock(plan.target)


def _begin_build(plan: ReleasePlan, state: AppState) -> Job | None:
    """What there is to build of a release; records what the run needs to know."""
    name = plan.paths.name
    release = plan.release_id(state)
    if host.state.is_executing:
        known(RELEASE)[name] = release
        if state["live"] is None:
            known(FIRST)[name] = release
        # A unit in a crash loop is active at moments, and the rebuilt files may be what makes it
        # crash.
        dead = state["live"] == release and not all(
            is_active(state, unit) for unit in plan.target.on(state).units(release)
        )
        if state["damaged"] or dead:
            known(DAMAGED)[name] = release
    if not plan.is_of(release):
        if is_built(state, release) or not host.state.is_executing:
            host.noop(f"{name}: {release} is rolled back to, not built")
            apart.good(host, name)
            return None
        host.log_styled(
            f"{name}: a rollback led to {release}, whose Python this host no longer has, so that "
            f"it cannot start again. Release what the rollback left (--data again={name}), or "
            "other code",
            log_func=logger.error,
            fg="red",
        )
        return None
    whole = is_built(state, release)
    if not host.state.is_executing:
        if whole:
            host.noop(f"{name}: release {release} is built")
            return None
        building_once.tell(plan, release, host)
    return Job(plan, release, whole and not state["damaged"], run_of(plan.target))


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
    """The releases' environment files, configuration and units, for `files.manage` at run time."""
    entries: list[Entry] = []
    for plan in plans:
        if plan.paths.name in apart.failed(host):
            continue
        release = known(RELEASE).get(plan.paths.name) or plan.release_id(app_state(plan.target))
        # A release that a rollback returned to keeps its files unchanged.
        if plan.is_of(release):
            entries += plan.entries(release)
    return entries


@operation()
def start_first(plans: Sequence[ReleasePlan]) -> Commands:
    """Starts the first releases of applications in parallel, since they are independent.

    Skips releases that must wait for something: release hooks, a canary, a socket held by systemd.

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
            yield shell(plan.target, start_units(plan.target, release))
            apart.good(host, name)
