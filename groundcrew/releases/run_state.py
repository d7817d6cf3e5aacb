"""What a run knows of the applications on a host, and how their steps are tied to its lock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyinfra import host, logger
from pyinfra.api import StringCommand

from groundcrew.facts.apps import Apps, AppState
from groundcrew.releases import apart, lock, undo
from groundcrew.releases.apart import Commands
from groundcrew.releases.target import Target

# What a run knows of a host's applications, by name: each saves a command.
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
    """The application's releases on the current host.

    Read once while changes are detected, and once per run where `build` found that there is nothing
    to do; else at every step.
    """
    name = target.paths.name
    unchanged: AppState | None = known(SETTLED).get(name)
    if unchanged is None and not host.state.is_executing:
        unchanged = known(SEEN).get(name)
    if unchanged is not None:
        return unchanged
    return app_states([name])[name]


def app_states(names: Iterable[str]) -> dict[str, AppState]:
    """The same of several applications, in one round trip."""
    found: dict[str, AppState] = host.get_fact(Apps, apps=tuple(names))
    if not host.state.is_executing:
        known(SEEN).update(found)
    return found


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
    if not take_lock(target):
        yield apart.failure()


def take_lock(target: Target) -> bool:
    """The same for an operation over several applications: whether it has the lock."""
    if not host.state.is_executing:
        return True
    try:
        gone = lock.acquire(host, target.paths, undo.connector_arguments(host))
    except lock.LockedError as error:
        host.log_styled(f"refused, nothing was changed: {error}", log_func=logger.error, fg="red")
        return False
    if gone:
        host.log(f"{target.paths.name}: took over the lock of {gone}, whose run is gone")
    return True
