"""Stops an application so that it stays stopped, until it is started again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from pyinfra import host
from pyinfra.api import operation

from groundcrew import remote
from groundcrew.entries import Absent, File, changes
from groundcrew.facts.apps import AppState
from groundcrew.facts.stopped import Stopped, StoppedNote
from groundcrew.manifest import maintenance_page
from groundcrew.manifest.paths import AppPaths
from groundcrew.operations.files import apply_command, read_states
from groundcrew.operations.guard import refuse
from groundcrew.releases.apart import Commands
from groundcrew.releases.maintenance import note_fields
from groundcrew.releases.run_state import app_state, locked, run_of, shell
from groundcrew.releases.steps.logged import log_entry
from groundcrew.releases.steps.probes import socket_probe
from groundcrew.releases.target import Target
from groundcrew.remote.maintenance_metric import metric_path

SEEN = "groundcrew_stopped"
"""Key of per-host state: what `stopped` has read."""

RUNNING = ("active", "activating", "reloading")


def stopped(names: Collection[str]) -> dict[str, StoppedNote]:
    """The applications of the current host that are stopped; read once in a run."""
    if not names:
        return {}
    if SEEN not in host.connector_data:
        flags = {name: AppPaths(name).stopped for name in names}
        host.connector_data[SEEN] = host.get_fact(Stopped, flags=flags) or {}
    notes: dict[str, StoppedNote] = host.connector_data[SEEN]
    return {name: notes[name] for name in names if name in notes}


def told(name: str, note: StoppedNote) -> str:
    """A line that says since when an application is stopped."""
    return f"{name} is stopped since {note['since']} by {note['operator']}"


def _runs(state: AppState) -> bool:
    return any(unit["active"] in RUNNING for unit in state["units"].values())


@operation()
def stop(target: Target, page: bytes, site: Sequence[File], activate: str) -> Commands:
    """Stops all units of an application. nginx answers every request to it with the maintenance
    page.

    nginx is reloaded only if its maintenance configuration (`site`) has changed since the last
    deploy.

    + target: the application
    + page: the page that visitors get
    + site: nginx's configuration for the maintenance of this application
    + activate: shell command that makes it effective
    """
    paths = target.paths
    state = app_state(target)
    own = maintenance_page.entries(paths, page)
    states = read_states([Absent(paths.stopped), *own, *site])
    if paths.stopped in states and not _runs(state):
        host.noop("it is stopped")
        return
    if any(entry.path not in states for entry in site):
        yield refuse(f"nginx here does not know {paths.name} yet: run deploy.py first")
        return
    yield from locked(target)
    configuration = changes(site, states)
    if configuration:
        yield apply_command(configuration, activate)
    pending = changes(own, states)
    if pending:
        yield apply_command(pending, None)
    yield remote.command("stop_app", payload=_payload(target, "stop"))
    yield shell(target, log_entry(target, "stop", state["live"] or "", "stopped"))


@operation()
def start(target: Target) -> Commands:
    """Starts what `stop` has stopped, and lets visitors in when it is healthy.

    + target: the application
    """
    paths = target.paths
    state = app_state(target)
    metric, flag, maintenance = (
        Absent(metric_path(paths.name)),
        Absent(paths.stopped),
        Absent(paths.maintenance_flag),
    )
    states = read_states([metric, flag, maintenance])
    if flag.path not in states:
        host.noop("it is not stopped")
        return
    yield from locked(target)
    yield remote.command("stop_app", payload=_payload(target, "start"))
    if state["live"]:
        there = target.on(state)
        probe = socket_probe(there, state["live"], None, run_of(target))
        yield remote.command("probe", payload=probe)
    # Maintenance that was on before goes on.
    quiet = [metric] if metric.path in states and maintenance.path not in states else []
    yield apply_command([*quiet, flag], None)
    yield shell(target, log_entry(target, "start", state["live"] or "", "started"))


def _payload(target: Target, verb: str) -> dict[str, Any]:
    return {
        "name": target.paths.name,
        "verb": verb,
        "flag": target.paths.stopped,
        "note": note_fields(),
        "run": run_of(target),
    }
