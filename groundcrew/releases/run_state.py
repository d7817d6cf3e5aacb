"""State of the applications on a host during a run, and commands guarded by the run's lock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyinfra import host, logger
from pyinfra.api import Host, StringCommand

from groundcrew import record
from groundcrew.facts.apps import Apps, AppState
from groundcrew.manifest.paths import AppPaths
from groundcrew.read_first import ASKING
from groundcrew.releases import apart, lock, undo
from groundcrew.releases.apart import Commands
from groundcrew.releases.target import Run, Target
from groundcrew.unreadable import UnreadableError

# Keys of per-host state, each a mapping by application. Each saves a command.
SEEN = "groundcrew_seen"
SETTLED = "groundcrew_settled"
RELEASE = "groundcrew_release"
FIRST = "groundcrew_first"
DAMAGED = "groundcrew_damaged"
SWITCHED = "groundcrew_switched"
WATCHED = "groundcrew_watched"
FOLLOWED = "groundcrew_followed"
STARTED = "groundcrew_started"
FITTING = "groundcrew_fitting"


def app_state(target: Target) -> AppState:
    """The state of the application on the current host.

    It is read once while pyinfra detects changes, once per run if `build` found nothing to do, and
    otherwise at every step.
    """
    name = target.paths.name
    unchanged: AppState | None = known(SETTLED).get(name)
    if unchanged is None and not host.state.is_executing:
        unchanged = known(SEEN).get(name)
    if unchanged is not None:
        return unchanged
    return app_states([name])[name]


def app_states(names: Iterable[str]) -> dict[str, AppState]:
    """The state of several applications, read in one round trip. Raises UnreadableError."""
    asked = tuple(names)
    states: dict[str, AppState] = host.get_fact(Apps, apps=asked)
    if ASKING.get() is None and not states.keys() >= set(asked):
        raise UnreadableError(f"the state of {', '.join(asked)} could not be read")
    record.serving(host, {name: state["live"] for name, state in states.items()})
    if not host.state.is_executing:
        known(SEEN).update(states)
    return states


def known(kind: str) -> dict[str, Any]:
    """One kind of state that this run keeps for the current host, by application."""
    values: dict[str, Any] = host.connector_data.setdefault(kind, {})
    return values


def shell(target: Target, text: str) -> StringCommand:
    """A shell command that fails once another run has taken over the application."""
    return StringCommand(lock.guarded(host, target.paths, text))


def run_of(target: Target) -> Run:
    """What programs on the host need to know about this run; None if it does not hold the lock."""
    return lock.run_of(host, target.paths)


def locked(target: Target) -> Commands:
    """Takes the application's lock, or fails the operation; does nothing while pyinfra detects
    changes.

    Read the host's state again afterwards: another run may have changed it before.
    """
    if not take_lock(target):
        yield apart.failure()


def take_lock(target: Target) -> bool:
    """Takes the application's lock; returns whether the run holds it."""
    return take_lock_on(host, target.paths)


def take_lock_on(on: Host, paths: AppPaths) -> bool:
    """Takes an application's lock on a host, and tells why not if another run has it; returns
    whether the run holds it. Does nothing while pyinfra detects changes."""
    if not on.state.is_executing:
        return True
    try:
        gone = lock.acquire(on, paths, undo.connector_arguments(on))
    except lock.LockedError as error:
        on.log_styled(f"refused, nothing was changed: {error}", log_func=logger.error, fg="red")
        return False
    if gone:
        on.log(f"{paths.name}: took over the lock of {gone}, whose run is gone")
    return True
