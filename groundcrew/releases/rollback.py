"""Going back to a release that is on the host: no build, only its unit again."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import StringCommand, operation

from groundcrew import remote
from groundcrew.facts.apps import AppState
from groundcrew.operations.guard import refuse
from groundcrew.releases import commands
from groundcrew.releases.operations import Commands, app_state, locked, roll_out
from groundcrew.releases.target import Target, is_built, settled


class NoReleaseError(Exception):
    """There is no release to go back to; the message says why."""


def choose(state: AppState, asked: str | None) -> str:
    """The release asked for, or the newest good one before the live one.

    Raises NoReleaseError.
    """
    kept = [name for name, item in state["releases"].items() if item["built"]]
    if asked:
        if is_built(state, asked):
            return asked
        raise NoReleaseError(f"no release {asked} is kept (kept: {', '.join(sorted(kept))})")
    live = state["live"] or ""
    before = [name for name in kept if name < live and not state["releases"][name]["bad"]]
    if not before:
        raise NoReleaseError("no good release before the live one is kept")
    return max(before)


@operation()
def rollback(target: Target, asked: str | None) -> Commands:
    """Starts the older release with the settings that it had, probes it, and switches to it.

    The release that is left is marked bad: the next plain rollback goes past it.

    + target: the application
    + asked: the release, or None for the newest good one before the live one
    """
    state = app_state(target)
    try:
        release = choose(state, asked)
    except NoReleaseError as error:
        yield refuse(f"{target.paths.name}: {error}")
        return
    if settled(target, state, release):
        host.noop(f"release {release} is live")
        return
    yield from locked(target)
    left = state["live"]
    yield from roll_out(target, release, state, action="rollback")
    if left:
        yield StringCommand(f"touch {target.paths.release(left)}/bad")


@operation()
def restart(target: Target) -> Commands:
    """Restarts the live release's units one after the other, and probes each before the next.

    Workers are replaced one after the other; the socket stays, no request is refused.

    + target: the application
    """
    state = app_state(target)
    live = state["live"]
    if not live:
        yield refuse(f"{target.paths.name} has no live release")
        return
    yield from locked(target)
    for unit, probe in commands.restarts(target.on(state), live):
        yield StringCommand(f"systemctl reload-or-restart {unit}")
        yield remote.command("probe", payload=probe)


def live_release(state: AppState) -> str:
    """The release that serves; for the steps that follow a rollback."""
    return str(state["live"])
