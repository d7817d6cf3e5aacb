"""The steps of a release, each an operation that changes nothing where it has been done.

Every step reads the host's state when it runs, so a run that was cut off anywhere is continued by
the next one. Until the switch, the live release is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, StringCommand, operation

from groundcrew import remote
from groundcrew.entries import Entry
from groundcrew.facts.apps import App, AppState
from groundcrew.operations.guard import refuse
from groundcrew.operations.upload import stage
from groundcrew.releases import commands, lock, resolved, undo
from groundcrew.releases.once import turn
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.rollout import rollout
from groundcrew.releases.target import (
    Target,
    followers,
    is_active,
    is_built,
    is_enabled,
    lacks_single,
    misplaced,
    settled,
)

UNKNOWN = 1 << 60
# What a run knows of a host's applications, by name: each saves a command.
SETTLED = "groundcrew_settled"
RELEASE = "groundcrew_release"
FIRST = "groundcrew_first"
DAMAGED = "groundcrew_damaged"
SWITCHED = "groundcrew_switched"
FOLLOWED = "groundcrew_followed"
Commands = Generator[StringCommand | FunctionCommand, None, None]


def app_state(target: Target) -> AppState:
    """The application's releases on the current host.

    Read once per run where `build` found that there is nothing to do, else at every step.
    """
    unchanged: AppState | None = known(SETTLED).get(target.paths.name)
    if unchanged is not None:
        return unchanged
    state: AppState = host.get_fact(App, app=target.paths.name)
    return state


def known(kind: str) -> dict[str, Any]:
    """What this run knows of the current host's applications."""
    found: dict[str, Any] = host.connector_data.setdefault(kind, {})
    return found


def shell(target: Target, text: str) -> StringCommand:
    """A command that does nothing once another run has taken over the application."""
    return StringCommand(lock.guarded(host, target.paths, text))


def run_of(target: Target) -> dict[str, str] | None:
    """The same for programs."""
    return lock.run_of(host, target.paths)


def locked(target: Target) -> Commands:
    """Takes the application's lock, or refuses to go on; nothing while changes are detected.

    What the host's state was before may have been another run's: it is read again afterwards.
    """
    if not host.state.is_executing:
        return
    try:
        gone = lock.acquire(host, target.paths, undo.connector_arguments(host))
    except lock.LockedError as error:
        yield refuse(str(error))
        return
    if gone:
        host.log(f"{target.paths.name}: took over the lock of {gone}, whose run is gone")


@operation()
def build(plans: Sequence[ReleasePlan]) -> Commands:
    """Builds releases aside unless they are there, side by side; a failed build leaves nothing
    behind.

    From here on the run holds the lock of each application that has something to release.

    + plans: the releases
    """
    payloads: list[dict[str, Any]] = []
    for plan in plans:
        yield from _begin_build(plan, payloads)
    if payloads:
        yield remote.command("build_release", payload=payloads)
        resolved.end(plans, host)


def _begin_build(plan: ReleasePlan, payloads: list[dict[str, Any]]) -> Commands:
    state = app_state(plan.target)
    release = plan.release_id(state)
    if host.state.is_executing:
        known(RELEASE)[plan.paths.name] = release
        _tell_taken_back(plan, state)
    if settled(plan.target, state, release):
        host.noop(f"{plan.paths.name}: release {release} is live")
        moving = misplaced(plan.target, state) or lacks_single(plan.target, state, release)
        if host.state.is_executing and not moving:
            known(SETTLED)[plan.paths.name] = state
        return
    rollout(plan.paths.name).candidates.add(host.name)
    yield from locked(plan.target)
    state = app_state(plan.target)
    release = plan.release_id(state)
    if host.state.is_executing:
        known(RELEASE)[plan.paths.name] = release
        if state["live"] is None:
            known(FIRST)[plan.paths.name] = release
        if state["damaged"]:
            known(DAMAGED)[plan.paths.name] = release
    if not plan.is_of(release):
        host.noop(f"{plan.paths.name}: {release} is led back to, not built")
        return
    if not host.state.is_executing and is_built(state, release):
        host.noop(f"{plan.paths.name}: release {release} is built")
        return
    # One that is built is only looked through: a file of it may have been damaged since.
    staged: list[str] = []
    if plan.bundle.archive and not (is_built(state, release) and not state["damaged"]):
        archive = plan.bundle.archive
        prefix = f"groundcrew-{plan.paths.name}"
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
        release = known(FIRST).get(plan.paths.name)
        waits = plan.app.hooks.release or (release and plan.target.holds(release))
        if release and not waits and rollout(plan.paths.name).candidates == {host.name}:
            yield shell(plan.target, commands.start(plan.target, release))


@operation()
def hooks(plan: ReleasePlan) -> Commands:
    """Runs the release hooks: once per release, and in a run over several hosts on one of them.

    + plan: the release
    """
    target = plan.target
    if not target.app.hooks.release:
        return
    state = app_state(target)
    release = plan.release_id(state)
    if not plan.is_of(release):
        host.noop("a rollback has led to a release whose hooks have run")
        return
    if is_built(state, release) and state["releases"][release]["hooked"]:
        host.noop(f"the hooks of {release} have run")
        return
    run = remote.command(
        "run_hooks", payload=commands.hooks_payload(target, release, run_of(target))
    )
    if not host.state.is_executing:
        yield run
        return
    mine = turn(f"hooks {target.paths.name} {plan.digest}", host.name)
    if mine.host == host.name:
        yield run
        mine.end(good=True)
        return
    mine.over.wait()
    if mine.good:
        text = commands.hooks_ran_elsewhere(target, release, f"ran on {mine.host}")
        yield shell(target, text)
    else:
        yield refuse(f"the release hooks failed on {mine.host}")


@operation()
def canary(plan: ReleasePlan) -> Commands:
    """Switches one host to the release, before all others.

    + plan: the release
    """
    if not plan.app.rollout.canary or not host.state.is_executing:
        return
    state = app_state(plan.target)
    if settled(plan.target, state, plan.release_id(state)):
        return
    names = [other.name for other in host.state.inventory]
    if rollout(plan.paths.name).is_canary(host.name, names):
        yield from roll_out(plan.target, plan.release_id(state), state)
        known(SWITCHED)[plan.paths.name] = True


@operation()
def batch(plan: ReleasePlan) -> Commands:
    """Switches the host to the release, unless another host has failed.

    Called with `_parallel`, pyinfra runs it on that many hosts at a time.

    + plan: the release
    """
    if plan.paths.name in known(SWITCHED):
        host.noop("this host went first")
        return
    state = app_state(plan.target)
    release = plan.release_id(state)
    if settled(plan.target, state, release):
        host.noop(f"release {release} is live")
        return
    yield from roll_out(plan.target, release, state)


def roll_out(target: Target, release: str, state: AppState, *, action: str = "release") -> Commands:
    """Start, probe, switch, check; when it fails, hosts that have switched go back."""
    group = rollout(target.paths.name)
    if host.state.is_executing and group.failed:
        yield refuse(f"not released here: {group.failed} failed")
        return
    previous = state["live"] if state["live"] != release else None
    if host.state.is_executing:
        # Until it is taken out again, a failure of this host is the rollout's (see hooks.py).
        group.go_back = target.app.rollout.go_back
        group.attempting.add(host.name)
    yield from hand_over(target, release, previous, state, action)
    group.attempting.discard(host.name)
    if host.state.is_executing and previous:
        # The host itself: what pyinfra calls `host` is another one by the time this is called.
        this_host = host.state.inventory.get_host(host.name)
        there = target.on(state)
        group.switched[host.name] = undo.going_back(this_host, there, release, previous)
        if group.failed and target.app.rollout.go_back:
            # Another host of the same batch failed while this one was at it.
            group.lead_back(host.name)
            yield refuse(f"went back: {group.failed} failed")


def hand_over(
    target: Target, release: str, previous: str | None, state: AppState, action: str
) -> Commands:
    """One host's way from the previous release to the new one."""
    target = target.on(state)
    run = run_of(target)
    # Aside, and before anything of the release runs: where it fails, nothing has to be stopped.
    for program, payload in commands.publications(target, release, previous):
        yield remote.command(program, payload=payload)
    if target.holds(release):
        held = previous and state["held"]
        check = f"{commands.same_protocol(target, release)}\n" if held else ""
        yield shell(target, check + commands.hold(target, release, previous))
        back = commands.go_back(target, release, previous) if previous else ""
        yield remote.command("probe", payload=commands.socket_probe(target, release, back, run))
    else:
        problem = too_little_memory(target, state, release) if previous else None
        if problem:
            yield refuse(problem)
            return
        runs_already = all(is_active(state, unit) for unit in target.units(release))
        # One that is live has died, or its files are new.
        died = state["live"] == release and not runs_already
        anew = died or target.paths.name in known(DAMAGED)
        if anew or not runs_already:
            beside = previous is not None
            yield shell(target, commands.start(target, release, beside=beside, anew=anew))
        yield remote.command("probe", payload=commands.socket_probe(target, release, "", run))
    runs = previous and is_active(state, target.paths.unit(previous))
    fallback = previous if runs else None
    yield shell(target, commands.switch(target, release, fallback, previous))
    payload = commands.nginx_probe(target, release, previous, action=action, run=run)
    yield remote.command("probe", payload=payload)


def too_little_memory(target: Target, state: AppState, release: str) -> str | None:
    """Why the new release cannot run beside the live one, if it cannot."""
    units = target.units(str(state["live"]))
    told = [state["units"][unit]["memory"] for unit in units if unit in state["units"]]
    # Without memory accounting systemd says "[not set]", or the largest number there is.
    used = [int(text) for text in told if text.isdigit() and int(text) <= UNKNOWN]
    free = state["memory_available"]
    wanted = sum(used) * len(target.units(release)) // max(1, len(used))
    if wanted <= free:
        return None
    return (
        f"{target.paths.name}: a second release needs about {wanted >> 20} MiB beside the live "
        f"one, {free >> 20} MiB are available; `release.strategy: restart` needs no second one"
    )


@operation()
def leave(target: Target) -> Commands:
    """Ends workers and timers that another host runs for all: on every host before any starts them.

    + target: the application
    """
    units = misplaced(target, app_state(target))
    if units:
        yield from locked(target)
        yield shell(target, commands.leave(units))


@operation()
def follow(target: Target, release_of: Callable[[AppState], str]) -> Commands:
    """Starts the release's workers and timers, and lets the old ones finish.

    + target: the application
    + release_of: finds the release in the host's state
    """
    state = app_state(target)
    release = release_of(state)
    wanted = [
        name
        for name in followers(state, target.paths, release)
        if target.paths.part(name) not in target.elsewhere
    ]
    idle = [name for name in wanted if not (is_active(state, name) and is_enabled(state, name))]
    old = [
        name
        for name in others(state, target, release)
        if is_active(state, name) or is_enabled(state, name)
    ]
    if idle or old:
        yield from locked(target)
        single = [name for name in old if target.paths.part(name) in target.app.single_parts]
        yield shell(target, commands.follow(idle, old, single))
    elif host.state.is_executing:
        known(FOLLOWED)[target.paths.name] = state


def others(state: AppState, target: Target, release: str) -> list[str]:
    """Workers and timers of all releases but one."""
    releases = {name.partition("@")[2].split(".")[0] for name in state["units"]} - {release}
    return [name for other in sorted(releases) for name in followers(state, target.paths, other)]


@operation()
def retire(target: Target, release_of: Callable[[AppState], str]) -> Commands:
    """Drains and stops replaced releases, removes all but the newest, and gives the lock back.

    + target: the application
    + release_of: finds the release in the host's state
    """
    state = known(FOLLOWED).pop(target.paths.name, None) or app_state(target)
    release = release_of(state)
    if not host.state.is_executing or settled(target, state, release):
        yield from _retire(target, release, state)
    if host.state.is_executing:
        lock.release(host, target.paths.name)


def _retire(target: Target, release: str, state: AppState) -> Commands:
    target = target.on(state)
    prefix = f"{target.paths.name}@"
    running = {
        name.removeprefix(prefix).split(".")[0]
        for name, unit in state["units"].items()
        if name.startswith(prefix) and unit["active"] in ("active", "activating", "reloading")
    }
    stop = sorted(running - {release})
    let_go = state["socket_unit"] and not target.holds(release)
    busy = {
        name.partition("@")[2].split(".")[0]
        for name, unit in state["units"].items()
        if unit["active"] in ("active", "activating", "deactivating", "reloading")
    }
    surplus = [
        name
        for name in unneeded(state, release, target.app.release.keep)
        if name not in busy - set(stop)
    ]
    noted = state["served"][-1:] == [release]
    if not (stop or let_go or surplus) and noted:
        return
    yield from locked(target)
    payload = commands.retire_payload(
        target, release, stop, surplus, let_go=let_go, run=run_of(target)
    )
    yield remote.command("retire_releases", payload=payload)


def unneeded(state: AppState, live: str, keep: int) -> list[str]:
    """Releases that are not kept: of those that are not live, the ones that have served last stay,
    then the newest."""
    places = {name: place for place, name in enumerate(state["served"])}
    others = [name for name in state["releases"] if name != live]
    others.sort(key=lambda name: (places.get(name, -1), name), reverse=True)
    return others[keep - 1 :]
