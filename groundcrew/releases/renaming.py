"""Gives the data of an application to another one, which is its new name."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import operation

from groundcrew import remote
from groundcrew.facts.renaming import Renamed, RenamedState
from groundcrew.manifest.paths import AppPaths
from groundcrew.operations.guard import refuse
from groundcrew.releases import lock, undo
from groundcrew.releases.apart import Commands
from groundcrew.releases.maintenance import note_fields


@operation()
def rename(was: str, app: str) -> Commands:
    """Stops an application and makes its data that of another one on the host: shared directories
    and generated secrets. Refused if the other one has data, or runs.

    + was: the old name
    + app: the new name, whose users and directories exist
    """
    state = host.get_fact(Renamed, was=was, app=app)
    if not state["data"]:
        host.noop(f"there is no data of {was} here")
        return
    reason = in_the_way(was, app, state)
    if reason:
        yield refuse(reason)
        return
    old, new = AppPaths(was), AppPaths(app)
    if host.state.is_executing:
        try:
            for paths in (old, new):
                lock.acquire(host, paths, undo.connector_arguments(host))
        except lock.LockedError as error:
            yield refuse(str(error))
            return
    stop = {"name": was, "verb": "stop", "flag": old.stopped, "note": note_fields()}
    yield remote.command("stop_app", payload={**stop, "run": lock.run_of(host, old)})
    move = {"was": was, "app": app, "run": lock.run_of(host, new)}
    yield remote.command("rename_app", payload=move)


def in_the_way(was: str, app: str, state: RenamedState) -> str:
    """Why the data cannot be moved, with the next step; empty if it can."""
    if state["running"]:
        return f"{app} runs here ({', '.join(state['running'])}): stop it first (playbooks/stop.py)"
    if state["mounts"]:
        # First: what is in a file system that is mounted at the new place already is no other data.
        return (
            f"{', '.join(state['mounts'])} is a file system of its own: unmount it, change its "
            f"place to /srv/{app}/shared in /etc/fstab, run this, and mount it there"
        )
    if state["there"]:
        return (
            f"{app} has data of its own ({state['there']}), which that of {was} would replace: "
            "move it away first"
        )
    return ""
