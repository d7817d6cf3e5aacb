"""Rollback to a release that is still on the host, without a build, and restart of a release."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import operation

from groundcrew import remote
from groundcrew.facts.apps import AppState
from groundcrew.operations.guard import refuse
from groundcrew.releases.apart import Commands
from groundcrew.releases.run_state import app_state, locked, run_of, shell
from groundcrew.releases.steps.probes import restart_probes
from groundcrew.releases.switching import roll_out
from groundcrew.releases.target import Target, is_built, operator, settled


class NoReleaseError(Exception):
    """There is no release to go back to; the message says why."""


def choose(state: AppState, asked: str | None) -> str:
    """The release asked for, or the last one that served before the live one.

    Raises NoReleaseError if there is no such release.
    """
    kept = sorted(name for name, item in state["releases"].items() if item["built"])
    if asked:
        if is_built(state, asked):
            return asked
        raise NoReleaseError(f"no release {asked} is kept (kept: {', '.join(kept)})")
    live = state["live"]
    left = []
    for name in dict.fromkeys(reversed(state["served"])):
        if name == live or name not in kept:
            continue
        if not state["releases"][name]["bad"]:
            return name
        left.append(name)
    hint = f"; {left[0]} served before and was left: --data release={left[0]}" if left else ""
    raise NoReleaseError(f"no good release that served before the live one is kept{hint}")


@operation()
def rollback(target: Target, asked: str | None) -> Commands:
    """Starts the older release with the settings that it had, probes it, and switches to it.

    The release that is left is recorded as taken back: no rollback or deploy returns to it unless
    it is asked for.

    + target: the application
    + asked: the release, or None for the last one that served before the live one
    """
    yield from locked(target)
    state = app_state(target)
    try:
        release = choose(state, asked)
    except NoReleaseError as error:
        yield refuse(f"{target.paths.name}: {error}")
        return
    if settled(target, state, release):
        host.noop(f"release {release} is live")
        return
    left = state["live"]
    if host.state.is_executing:
        source = state["releases"][release]["source"]
        host.log(f"{target.paths.name}: from {left} back to {release} ({source})")
    yield from roll_out(target, release, state, action="rollback")
    if left:
        changes = {"taken_back": left, "operator": operator(), "live": release}
        yield remote.command(
            "note_history",
            payload={"name": target.paths.name, "changes": changes, "run": run_of(target)},
        )


@operation()
def restart(target: Target) -> Commands:
    """Restarts the live release's units one by one, and probes each before the next.

    Worker processes are replaced one by one; the socket stays open, and no request is refused.

    + target: the application
    """
    state = app_state(target)
    live = state["live"]
    if not live:
        yield refuse(f"{target.paths.name} has no live release")
        return
    yield from locked(target)
    for unit, probe in restart_probes(target.on(state), live, run_of(target)):
        # A reload keeps the sockets; only a restart recreates a missing one.
        socket = probe["sockets"][0]
        yield shell(
            target,
            f"if [ -S {socket} ]; then systemctl reload-or-restart {unit}; "
            f"else systemctl restart {unit}; fi",
        )
        yield remote.command("probe", payload=probe)


def live_release(state: AppState) -> str:
    """The live release; for the steps that follow a rollback."""
    return str(state["live"])
