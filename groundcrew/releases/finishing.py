"""The steps after a release has gone live: workers and timers follow, replaced releases are
retired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyinfra import host
from pyinfra.api import operation

from groundcrew.facts.apps import AppState
from groundcrew.operations.guard import refuse
from groundcrew.releases import apart, bills, lock, undo
from groundcrew.releases.apart import Commands
from groundcrew.releases.rollout import rollout
from groundcrew.releases.run_state import (
    FOLLOWED,
    STARTED,
    app_state,
    app_states,
    known,
    locked,
    run_of,
    shell,
    take_lock,
)
from groundcrew.releases.steps.followers import remove_followers, swap_followers
from groundcrew.releases.steps.retiring import retire_payload
from groundcrew.releases.target import (
    Target,
    followers,
    is_active,
    is_enabled,
    is_worker,
    misplaced,
    settled,
)

ReleaseOf = Callable[[AppState], str]
"""Returns the release to work on, given the host's state."""


@operation()
def remove_misplaced(target: Target) -> Commands:
    """Stops workers and timers that another host runs for all, on every host before any starts
    them: also where the release has failed, as the other host starts them all the same.

    + target: the application
    """
    name = target.paths.name
    if target.on_other_hosts:
        _hold(target)
    else:
        rollout(name).starter = host.name
    if host.state.is_executing:
        if name in apart.failed(host) and target.on_other_hosts and not _is_taken_over(name):
            # If the first host of the rollout fails, all do: then nobody would run them.
            host.noop(f"{name} has failed, and no other host starts its workers")
            return
        apart.begin(host, [name])
    yield from _remove_misplaced(target, _state_if_read(target))
    if host.state.is_executing:
        apart.good(host, name)
        if name in apart.failed(host):
            # Its lock had been released, and no other step of it follows.
            lock.give_up(host, name)


@operation()
def remove_moved(targets: Sequence[Target]) -> Commands:
    """The same for applications that this host does not have, or not any more.

    + targets: those applications
    """
    names = [target.paths.name for target in targets]
    if host.state.is_executing:
        apart.begin(host, names)
    for target in targets:
        _hold(target)
    states = app_states(names) if names else {}
    for target in targets:
        name = target.paths.name
        yield from _remove_misplaced(target, states.get(name))
        if host.state.is_executing:
            apart.good(host, name)
            lock.release(host, name)


def _hold(target: Target) -> None:
    """Lets no other host of the run start what may run here. It begins before anything is read, and
    also while pyinfra detects changes: a host that drops out of the run is asked nothing more."""
    rollout(target.paths.name).held.add(host.name)


def _is_taken_over(name: str) -> bool:
    """Whether the host that shall run what one runs for all will start it in this run."""
    active = {item.name: item for item in host.state.active_hosts}
    starter = active.get(rollout(name).starter or "")
    return starter is not None and name not in apart.failed(starter)


def _state_if_read(target: Target) -> AppState | None:
    """The application's state; None if the host did not tell it, which pyinfra has reported."""
    try:
        return app_state(target)
    except KeyError:
        return None


def _remove_misplaced(target: Target, state: AppState | None) -> Commands:
    """Stops and removes the units. Once there are none, other hosts may start them."""
    name = target.paths.name
    if state is None:
        yield refuse(f"the state of {name} cannot be read: its workers may still run here")
        return
    units = misplaced(target, state)
    if units:
        yield from locked(target)
        timeouts = [timer.timeout for timer in target.app.timers.values() if timer.single]
        yield shell(target, remove_followers(units, max(timeouts, default=0)))
    if host.state.is_executing or not units:
        rollout(name).held.discard(host.name)


@operation()
@apart.own
def replace_followers(target: Target, release_of: ReleaseOf) -> Commands:
    """Starts the release's workers and timers, and lets the old ones finish.

    + target: the application
    + release_of: returns the release, given the host's state
    """
    state = app_state(target)
    release = release_of(state)
    wanted = [
        name
        for name in followers(state, target.paths, release)
        if target.paths.part(name) not in target.on_other_hosts
    ]
    idle = [name for name in wanted if not (is_active(state, name) and is_enabled(state, name))]
    old = [
        name
        for name in others(state, target, release)
        if is_active(state, name) or is_enabled(state, name)
    ]
    mine = sorted({target.paths.part(name) for name in idle} & target.app.single_parts)
    held = sorted(rollout(target.paths.name).held)
    if mine and held and host.state.is_executing:
        yield refuse(
            f"{', '.join(mine)} of {target.paths.name} may still run on {', '.join(held)}, where "
            "it has not been stopped: not started here"
        )
        return
    if idle or old:
        yield from locked(target)
        if host.state.is_executing:
            known(STARTED)[target.paths.name] = [name for name in idle if is_worker(target, name)]
        single = [name for name in old if target.paths.part(name) in target.app.single_parts]
        yield shell(target, swap_followers(idle, old, single))
    elif host.state.is_executing:
        known(FOLLOWED)[target.paths.name] = state


def others(state: AppState, target: Target, release: str) -> list[str]:
    """Workers and timers of all releases except `release`."""
    releases = {name.partition("@")[2].split(".")[0] for name in state["units"]} - {release}
    return [name for other in sorted(releases) for name in followers(state, target.paths, other)]


@operation()
def retire(targets: Sequence[tuple[Target, ReleaseOf]]) -> Commands:
    """Drains and stops replaced releases of all applications in parallel, removes those that are
    not kept, and releases the locks.

    + targets: the applications, each with a function that returns its release, given the host's
      state
    """
    wanted = [(target, of) for target, of in targets if target.paths.name not in apart.failed(host)]
    if host.state.is_executing:
        apart.begin(host, [target.paths.name for target, _ in wanted])
        bills.note_differences([target.paths.name for target, _ in wanted])
    payloads = []
    for target, release_of in wanted:
        name = target.paths.name
        state = known(FOLLOWED).pop(name, None) or app_state(target)
        release = release_of(state)
        payload = None
        if not host.state.is_executing or settled(target, state, release):
            payload = to_retire(target, release, state, known(STARTED).pop(name, ()))
        if payload is None:
            apart.good(host, name)
        elif take_lock(target):
            payloads.append({**payload, "run": run_of(target)})
            if payload["watch"]:
                # If they do not stay up, the release is rolled back.
                rollout(name).attempting.add(host.name)
    if payloads:
        yield apart.each("retire_releases", payloads, undo.connector_arguments(host))
    if host.state.is_executing:
        bad = apart.blamed(host)
        for target, _ in wanted:
            if target.paths.name not in bad:
                rollout(target.paths.name).attempting.discard(host.name)
                lock.release(host, target.paths.name)
    yield from apart.end(host)


def to_retire(
    target: Target, release: str, state: AppState, watch: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Payload of `retire_releases` for one application; None if there is nothing to do. `watch` are
    workers that have just been started."""
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
    if not (stop or let_go or surplus or watch) and noted:
        return None
    return retire_payload(target, release, stop, surplus, let_go=let_go, watch=watch)


def unneeded(state: AppState, live: str, keep: int) -> list[str]:
    """Releases to remove. Besides the live one, the most recently live releases are kept, then the
    newest."""
    places = {name: place for place, name in enumerate(state["served"])}
    others = [name for name in state["releases"] if name != live]
    others.sort(key=lambda name: (places.get(name, -1), name), reverse=True)
    return others[keep - 1 :]
