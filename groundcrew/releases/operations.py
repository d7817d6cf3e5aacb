"""The steps of a release, each an operation that changes nothing where it has been done.

Every step reads the host's state when it runs, so a run that was cut off anywhere is continued by
the next one. Until `switch`, the live release is not touched.
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import FunctionCommand, StringCommand, operation

from groundcrew import remote
from groundcrew.entries import Entry
from groundcrew.facts.apps import App, AppState
from groundcrew.operations.upload import stage
from groundcrew.releases import commands
from groundcrew.releases.plan import ReleasePlan

Commands = Generator[StringCommand | FunctionCommand, None, None]


def app_state(plan: ReleasePlan) -> AppState:
    """The application's releases on the current host."""
    state: AppState = host.get_fact(App, app=plan.paths.name)
    return state


@operation()
def build(plan: ReleasePlan) -> Commands:
    """Builds the release aside unless it is there; a failed build leaves nothing behind.

    + plan: the release
    """
    state = app_state(plan)
    release = plan.release_id(state)
    if release in state["releases"] and state["releases"][release]["built"]:
        host.noop(f"release {release} is built")
        return
    staged: list[str] = []
    if plan.bundle.archive:
        archive = plan.bundle.archive
        prefix = f"groundcrew-{plan.paths.name}"
        yield FunctionCommand(lambda: staged.append(stage(host, archive, prefix)), (), {})
    payload = commands.build_payload(plan, release, staged[0] if staged else None)
    yield remote.command("build_release", payload=payload)


def release_files(plan: ReleasePlan) -> list[Entry]:
    """The release's environment, configuration and unit, for `files.manage` when it runs."""
    return plan.entries(plan.release_id(app_state(plan)))


@operation()
def start(plan: ReleasePlan) -> Commands:
    """Runs the release hooks once, starts the release and probes it on its own socket.

    A release that does not become healthy is stopped again, and the operation fails with the last
    answer and the unit's last journal lines.

    + plan: the release
    """
    state = app_state(plan)
    release = plan.release_id(state)
    unit = state["units"].get(release)
    running = unit is not None and unit["active"] == "active"
    if running and state["live"] == release:
        host.noop(f"release {release} is running")
        return
    if plan.app.hooks.release:
        yield StringCommand(commands.run_hooks(plan, release))
    if not running:
        yield StringCommand(commands.start(plan, release))
    probe = commands.socket_probe(plan, release, stop=state["live"] != release)
    yield remote.command("probe", payload=probe)


@operation()
def switch(plan: ReleasePlan) -> Commands:
    """Makes the release the live one and checks it through nginx; goes back when that fails.

    + plan: the release
    """
    state = app_state(plan)
    release = plan.release_id(state)
    unit = state["units"].get(release)
    enabled = unit is not None and unit["enabled"] == "enabled"
    if state["live"] == state["current"] == release and enabled:
        host.noop(f"release {release} is live")
        return
    previous = state["live"] if state["live"] != release else None
    yield StringCommand(commands.switch(plan, release))
    yield remote.command("probe", payload=commands.nginx_probe(plan, release, previous))


@operation()
def retire(plan: ReleasePlan) -> Commands:
    """Drains and stops replaced releases and removes all but the newest `release.keep`.

    + plan: the release
    """
    state = app_state(plan)
    release = plan.release_id(state)
    running = [
        name
        for name, unit in state["units"].items()
        if name != release and unit["active"] in ("active", "activating", "reloading")
    ]
    if running:
        drain = plan.drain if plan.app.release.drain is None else plan.app.release.drain
        yield StringCommand(commands.retire(plan, running, drain))
    others = sorted((name for name in state["releases"] if name != release), reverse=True)
    surplus = others[plan.app.release.keep - 1 :]
    if surplus:
        yield StringCommand(commands.remove(plan, surplus))
