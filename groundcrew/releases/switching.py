"""The steps that make a release live: its hooks, then start, probe, switch and check.

Every step reads the host's state when it runs, so the next run continues one that was interrupted
at any point. Until the switch, the live release is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra import host, logger
from pyinfra.api import operation

from groundcrew import record, remote
from groundcrew.facts.apps import AppState
from groundcrew.operations.guard import refuse
from groundcrew.releases import apart, undo
from groundcrew.releases.apart import Commands
from groundcrew.releases.finishing import to_retire
from groundcrew.releases.once import turn_in_line
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
from groundcrew.releases.steps.hooks import hooks_payload, hooks_ran_elsewhere
from groundcrew.releases.steps.links import same_protocol
from groundcrew.releases.steps.live import go_back, open_socket, switch_to
from groundcrew.releases.steps.probes import nginx_probe, socket_probe, watch_payload
from groundcrew.releases.steps.published import publications
from groundcrew.releases.steps.saving import save
from groundcrew.releases.steps.units import start_units
from groundcrew.releases.target import Target, is_active, is_built, settled

UNKNOWN = 1 << 60


@operation()
@apart.own
def hooks(plan: ReleasePlan) -> Commands:
    """Runs the release hooks: once per release, and on only one host of a run.

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
    run = remote.command("run_hooks", payload=hooks_payload(target, release, run_of(target)))
    if not host.state.is_executing:
        yield run
        return
    # Hosts with databases of their own run the hooks each. Of those that share one, each with other
    # settings runs them too, but never two at once: both would make the same table.
    providers = " ".join(plan.app.bound.providers)
    mine = turn_in_line("hooks", target.paths.name, plan.digest, providers, host.name)
    if mine.host == host.name:
        mine.begin()
        why = save(plan, first=state["current"] is None)
        if why:
            yield refuse(why)
            return
        yield run
        mine.end(good=True)
        return
    mine.over.wait()
    if mine.good:
        text = hooks_ran_elsewhere(target, release, f"ran on {mine.host}")
        yield shell(target, text)
    else:
        yield refuse(f"the release hooks failed on {mine.host}")


@operation()
@apart.own
def canary(plan: ReleasePlan) -> Commands:
    """Switches one host to the release before all others. Does nothing if there are no others.

    + plan: the release
    """
    if not plan.app.rollout.canary or not host.state.is_executing:
        return
    if rollout(plan.paths.name).candidates == {host.name}:
        return
    state = app_state(plan.target)
    if settled(plan.target, state, plan.release_id(state)):
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
    + together: the releases that are released together, including this one. They share one check
      window, as do the hosts that come after the canary (see `watch`). If the host lacks the memory
      for a second release of each, each is watched at once, and the replaced release is drained and
      stopped before the next one
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
    hosts_together = plan.app.rollout.canary and not plan.app.rollout.wait
    later = (fits or not crowd) and (crowd if alone else hosts_together)
    yield from roll_out(plan.target, release, state, later=later)
    if crowd and not fits:
        yield from _make_room(plan)


def _fit(busy: Sequence[ReleasePlan]) -> bool:
    """Whether the host has memory for a second release of each; determined once for all of them."""
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
    """Retires the replaced release at once."""
    state = app_state(plan.target)
    payload = to_retire(plan.target, plan.release_id(state), state)
    if payload:
        payload = {**payload, "run": run_of(plan.target)}
        yield apart.each("retire_releases", [payload], undo.connector_arguments(host))
        yield from apart.end(host)


@operation()
def watch(plans: Sequence[ReleasePlan]) -> Commands:
    """Watches releases that have just gone live for the check window, all at the same time. One
    that does not stay healthy is rolled back on all hosts.

    + plans: the releases
    """
    waiting = {plan.paths.name: known(WATCHED).pop(plan.paths.name, None) for plan in plans}
    payloads = {name: payload for name, payload in waiting.items() if payload}
    if not payloads:
        host.noop("no release waits for its check window")
        return
    apart.begin(host, payloads)
    undos = {name: rollout(name).attempt_again(host.name) for name in payloads}
    yield apart.each("probe", list(payloads.values()), undo.connector_arguments(host))
    for name in payloads.keys() - set(apart.blamed(host)):
        failed = rollout(name).done(host.name, undos[name])
        if failed:
            host.log_styled(f"{name}: went back: {failed} failed", log_func=logger.error, fg="red")
            apart.blame(host, name)
    yield from apart.end(host)


def roll_out(
    target: Target,
    release: str,
    state: AppState,
    *,
    action: str = "release",
    later: bool = False,
) -> Commands:
    """Starts, probes, switches and checks the release. If it fails, hosts that have switched go
    back. With `later`, the check window is left to `watch`."""
    group = rollout(target.paths.name)
    if host.state.is_executing and group.failed:
        yield refuse(f"not released here: {group.failed} failed")
        return
    previous = state["live"] if state["live"] != release else None
    if host.state.is_executing:
        # While the host is in `attempting`, its failure fails the rollout: see startup.py.
        group.go_back = target.app.rollout.go_back
        group.attempting.add(host.name)
    told = record.release(host, target.paths.name, state["live"], release)
    yield from hand_over(target, release, previous, state, action, later=later)
    going_back = None
    told.live = host.state.is_executing
    if host.state.is_executing and previous:
        # Bind this host: pyinfra's `host` is another one by the time the function is called.
        this_host = host.state.inventory.get_host(host.name)
        going_back = undo.going_back(this_host, target.on(state), release, previous)
    failed = group.done(host.name, going_back)
    if failed:
        known(WATCHED).pop(target.paths.name, None)
        yield refuse(f"went back: {failed} failed")


def hand_over(
    target: Target,
    release: str,
    previous: str | None,
    state: AppState,
    action: str,
    *,
    later: bool,
) -> Commands:
    """Moves one host from the previous release to the new one."""
    target = target.on(state)
    run = run_of(target)
    # Published beside the live files before the release starts: a failure here needs no clean-up.
    for program, payload in publications(target, release, previous):
        yield remote.command(program, payload=payload)
    if target.holds(release):
        held = previous and state["held"]
        check = f"{same_protocol(target, release)}\n" if held else ""
        yield shell(target, check + open_socket(target, release, previous))
        back = go_back(target, release, previous) if previous else ""
        yield remote.command("probe", payload=socket_probe(target, release, back, run, previous))
    else:
        problem = too_little_memory(target, state, release) if previous else None
        if problem:
            yield refuse(problem)
            return
        runs_already = all(is_active(state, unit) for unit in target.units(release))
        # A live release that does not run has died. A damaged one has been rebuilt.
        died = state["live"] == release and not runs_already
        anew = died or target.paths.name in known(DAMAGED)
        if anew or not runs_already:
            beside = previous is not None
            yield shell(target, start_units(target, release, beside=beside, anew=anew))
        yield remote.command("probe", payload=socket_probe(target, release, "", run, previous))
    runs = previous and is_active(state, target.paths.unit(previous))
    fallback = previous if runs else None
    yield shell(target, switch_to(target, release, fallback, previous))
    payload = nginx_probe(target, release, previous, action=action, run=run)
    if later and payload["hold"]:
        if host.state.is_executing:
            known(WATCHED)[target.paths.name] = watch_payload(payload)
        payload = {**payload, "hold": 0}
    yield remote.command("probe", payload=payload)


def instance_bytes(target: Target, state: AppState) -> int:
    """Average memory of an instance of the live release in bytes."""
    release = str(state["live"])
    units = target.units(release)
    told = [state["units"][unit]["memory"] for unit in units if unit in state["units"]]
    # Without memory accounting systemd says "[not set]", or the largest number there is.
    used = [int(text) for text in told if text.isdigit() and int(text) <= UNKNOWN]
    return sum(used) // max(1, len(used))


def too_little_memory(target: Target, state: AppState, release: str) -> str | None:
    """Why the new release cannot run beside the live one, as a message; None if it can."""
    wanted = instance_bytes(target, state) * len(target.units(release))
    free = state["memory_available"]
    if wanted <= free:
        return None
    return (
        f"{target.paths.name}: a second release needs about {wanted >> 20} MiB beside the live "
        f"one, {free >> 20} MiB are available; `release.strategy: restart` needs no second one"
    )
