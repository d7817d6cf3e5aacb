"""Taking an application off a host."""

from __future__ import annotations

import json
from collections.abc import Generator

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, StringCommand, operation

from groundcrew import remote
from groundcrew.apps.paths import AppPaths
from groundcrew.facts.remains import Remains
from groundcrew.operations.guard import refuse
from groundcrew.releases import lock, undo


@operation()
def remove(app: str, purge: bool) -> Generator[StringCommand | FunctionCommand, None, None]:
    """Removes what the application has left, and says what that is.

    + app: name of the application, which the host is not to run any more
    + purge: its data too: shared files, generated secrets, logs, its user
    """
    found = host.get_fact(Remains, app=app, purge=purge)
    if not found:
        host.noop(f"nothing of {app} is here")
        return
    lines = [f"{app} leaves {host.name}:", *(f"  {kind} {name}" for kind, name in found)]
    logger.info("\n    ".join(lines))
    paths = AppPaths(app)
    if host.state.is_executing and any(name.startswith(paths.root) for _, name in found):
        try:
            lock.acquire(host, paths, undo.connector_arguments(host))
        except lock.LockedError as error:
            yield refuse(str(error))
            return
    request = {"app": app, "purge": purge, "remove": True}
    yield remote.command("remove_app", json.dumps(request))
    if host.state.is_executing:
        lock.release(host, app)
