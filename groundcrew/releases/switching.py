"""The steps by that a release comes to serve: its hooks, then start, probe, switch and check.

Every step reads the host's state when it runs, so a run that was cut off anywhere is continued by
the next one. Until the switch, the live release is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import operation

from groundcrew import remote
from groundcrew.facts.apps import AppState
from groundcrew.operations.guard import refuse
from groundcrew.releases import apart, commands, undo
from groundcrew.releases.apart import Commands
from groundcrew.releases.finishing import to_retire
from groundcrew.releases.once import turn
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.rollout import rollout
from groundcrew.releases.run_state import (
    DAMAGED,
    FITTING,
    SWITCHED,
    WATCHED,
    app_state,
    app_states,
    known,
    run_of,
    shell,
)
from groundcrew.releases.target import Target, is_active, is_built, settled

UNKNOWN = 1 << 60


@operation()
@apart.own
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
    mine = turn("hooks", target.paths.name, plan.digest, host.name)
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
@apart.own
def canary(plan: ReleasePlan) -> Commands:
    """Switches one host to the release, before all others; nothing where there are no others.

    + plan: the release
    """
    if not plan.app.rollout.canary or not host.state.is_executing:
        return
    state = app_state(plan.target)
    if settled(plan.target, state, plan.release_id(state)):
        return
    if rollout(plan.paths.name).candidates == {host.name}:
        return
    names = [other.name for other in host.state.inventory]
    if rollout(plan.paths.name).is_canary(host.name, names):
        yield from roll_out(plan.target, plan.release_id(state), state)
        known(SWITCHED)[plan.paths.name] = True


@operation()
@apart.own
def batch(plan: ReleasePlan, together: Sequence[ReleasePlan]) -> Commands:
    """Switches the host to the release, unless another host has failed.

    Called with `_parallel`, pyinfra runs it on that many hosts at a time.

    + plan: the release
    + together: the releases that are released together with this one, itself among them. Where no
      other host waits for it, its check window is that of all of them (see `watch`); where the host
      has no memory for a second release of each, it is drained and stopped before the next one
    """
    if plan.paths.name in known(SWITCHED):
        host.noop("this host went first")
        return
    state = app_state(plan.target)
    release = plan.release_id(state)
    if plan.paths.name not in known(DAMAGED) and settled(plan.target, state, release):
        host.noop(f"release {release} is live")
        return
    busy = [other for other in together if host.name in rollout(other.paths.name).candidates]
    crowd = host.state.is_executing and len(busy) > 1
    fits = crowd and _fit(busy)
    alone = rollout(plan.paths.name).candidates == {host.name}
    yield from roll_out(plan.target, release, state, later=alone and fits)
    if crowd and not fits:
        yield from _make_room(plan)


def _fit(busy: Sequence[ReleasePlan]) -> bool:
    """Whether the host has memory for a second release of each; found out once for all of them."""
    names = ", ".join(plan.paths.name for plan in busy)
    if names not in known(FITTING):
        states = app_states(plan.paths.name for plan in busy)
        wanted = sum(
            instance_bytes(plan.target.on(state), state) * plan.app.instances
            for plan in busy
            if (state := states[plan.paths.name])["live"]
        )
        free = min(state["memory_available"] for state in states.values())
        known(FITTING)[names] = wanted <= free
    return bool(known(FITTING)[names])


def _make_room(plan: ReleasePlan) -> Commands:
    """Ends the replaced release at once."""
    state = app_state(plan.target)
    payload = to_retire(plan.target, plan.release_id(state), state)
    if payload:
        payload = {**payload, "run": run_of(plan.target)}
        yield apart.each("retire_releases", [payload], undo.connector_arguments(host))
        yield from apart.end(host)


@operation()
def watch(plans: Sequence[ReleasePlan]) -> Commands:
    """Looks for the check window whether releases that have just come to serve stay healthy, at all
    of them at the same time; one that does not goes back to the release before.

    + plans: the releases
    """
    waiting = [known(WATCHED).pop(plan.paths.name, None) for plan in plans]
    payloads = [payload for payload in waiting if payload]
    if payloads:
        apart.begin(host, [payload["name"] for payload in payloads])
        yield apart.each("probe", payloads, undo.connector_arguments(host))
        yield from apart.end(host)
    else:
        host.noop("no release waits for its check window")


def roll_out(
    target: Target,
    release: str,
    state: AppState,
    *,
    action: str = "release",
    later: bool = False,
) -> Commands:
    """Start, probe, switch, check; when it fails, hosts that have switched go back. The check
    window may come `later`."""
    group = rollout(target.paths.name)
    if host.state.is_executing and group.failed:
        yield refuse(f"not released here: {group.failed} failed")
        return
    previous = state["live"] if state["live"] != release else None
    if host.state.is_executing:
        # Until it is taken out again, a failure of this host is the rollout's (see hooks.py).
        group.go_back = target.app.rollout.go_back
        group.attempting.add(host.name)
    yield from hand_over(target, release, previous, state, action, later=later)
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
    target: Target,
    release: str,
    previous: str | None,
    state: AppState,
    action: str,
    *,
    later: bool,
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
        yield remote.command(
            "probe", payload=commands.socket_probe(target, release, back, run, previous)
        )
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
        yield remote.command(
            "probe", payload=commands.socket_probe(target, release, "", run, previous)
        )
    runs = previous and is_active(state, target.paths.unit(previous))
    fallback = previous if runs else None
    yield shell(target, commands.switch(target, release, fallback, previous))
    payload = commands.nginx_probe(target, release, previous, action=action, run=run)
    if later and payload["hold"]:
        if host.state.is_executing:
            known(WATCHED)[target.paths.name] = commands.watch(payload)
        payload = {**payload, "hold": 0}
    yield remote.command("probe", payload=payload)


def instance_bytes(target: Target, state: AppState) -> int:
    """Bytes that an instance of the live release has, on average."""
    release = str(state["live"])
    units = target.units(release)
    told = [state["units"][unit]["memory"] for unit in units if unit in state["units"]]
    # Without memory accounting systemd says "[not set]", or the largest number there is.
    used = [int(text) for text in told if text.isdigit() and int(text) <= UNKNOWN]
    return sum(used) // max(1, len(used))


def too_little_memory(target: Target, state: AppState, release: str) -> str | None:
    """Why the new release cannot run beside the live one, if it cannot."""
    wanted = instance_bytes(target, state) * len(target.units(release))
    free = state["memory_available"]
    if wanted <= free:
        return None
    return (
        f"{target.paths.name}: a second release needs about {wanted >> 20} MiB beside the live "
        f"one, {free >> 20} MiB are available; `release.strategy: restart` needs no second one"
    )
