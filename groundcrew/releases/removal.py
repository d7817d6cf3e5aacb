"""Removal of an application from a host."""

from __future__ import annotations

import json
from collections.abc import Generator

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, StringCommand, operation

from groundcrew import remote
from groundcrew.facts.remains import Remains
from groundcrew.manifest.paths import AppPaths
from groundcrew.operations.guard import refuse
from groundcrew.releases import lock, undo


@operation()
def remove(app: str, purge: bool) -> Generator[StringCommand | FunctionCommand, None, None]:
    """Removes and lists everything that the application has left on the host.

    + app: name of the application, which must no longer be assigned to the host
    + purge: whether to remove its data too: shared files, generated secrets, logs, its user
    """
    remains = host.get_fact(Remains, app=app, purge=purge)
    if not remains:
        host.noop(f"nothing of {app} is here")
        return
    lines = [f"{app} leaves {host.name}:", *(f"  {kind} {name}" for kind, name in remains)]
    logger.info("\n    ".join(lines))
    paths = AppPaths(app)
    if host.state.is_executing and any(name.startswith(paths.root) for _, name in remains):
        try:
            lock.acquire(host, paths, undo.connector_arguments(host))
        except lock.LockedError as error:
            yield refuse(str(error))
            return
    request = {"app": app, "purge": purge, "remove": True}
    yield remote.command("remove_app", json.dumps(request))
    if host.state.is_executing:
        lock.release(host, app)
