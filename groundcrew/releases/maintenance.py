"""Maintenance mode of an application, without an nginx reload."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Generator, Sequence
from typing import Literal

from pyinfra import host
from pyinfra.api import FunctionCommand, StringCommand, operation

from groundcrew.entries import Absent, Directory, File, changes
from groundcrew.manifest import maintenance_page
from groundcrew.manifest.paths import AppPaths
from groundcrew.operations.files import apply_command, read_states
from groundcrew.operations.guard import refuse
from groundcrew.releases.target import operator
from groundcrew.remote.maintenance_metric import FOLDER, metric_path, metric_text

Commands = Generator[StringCommand | FunctionCommand, None, None]


@operation()
def switch(
    paths: AppPaths,
    wanted: Literal["on", "off"],
    page: bytes,
    site: Sequence[File],
    activate: str,
) -> Commands:
    """Switches maintenance on or off: a file that nginx checks for on every request.

    nginx is reloaded only if its maintenance configuration (`site`) has changed since the last
    deploy.

    + paths: the application's
    + wanted: `on` or `off`
    + page: the page that visitors get
    + site: nginx's configuration for the maintenance of this application
    + activate: shell command that makes it effective
    """
    flag = Absent(paths.maintenance_flag)
    own = maintenance_page.entries(paths, page)
    told = File(metric_path(paths.name), metric_text(paths.name))
    folders = [Directory("/var/lib/groundcrew"), Directory(FOLDER)]
    stopped = Absent(paths.stopped)
    states = read_states([flag, stopped, *own, *site, *folders, told])
    is_on = flag.path in states
    if wanted == "off":
        # Nobody is told that a stopped application does not answer.
        quiet = [] if stopped.path in states else [Absent(told.path)]
        left = [entry for entry in (flag, *quiet) if entry.path in states]
        if left:
            yield apply_command(left, None)
        if is_on:
            yield log_line(paths, wanted)
        if not left:
            host.noop("maintenance is off")
        return
    if any(entry.path not in states for entry in site):
        yield refuse(f"nginx here knows no maintenance of {paths.name} yet: run deploy.py first")
        return
    configuration = changes(site, states)
    if configuration:
        yield apply_command(configuration, activate)
    pending = changes([*own, *folders, told], states)
    if not is_on:
        pending.append(File(flag.path, note()))
    else:
        host.noop("maintenance is on")
    if pending:
        yield apply_command(pending, None)
    if not is_on:
        yield log_line(paths, wanted)


def note() -> str:
    """JSON text of the flag file: the operator and the time."""
    return json.dumps(note_fields()) + "\n"


def note_fields() -> dict[str, str]:
    """The operator and the time."""
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"operator": operator(), "since": since}


def log_line(paths: AppPaths, result: str) -> StringCommand:
    """Appends a line to the application's release log."""
    fixed = {"action": "maintenance", "operator": operator(), "result": result}
    rest = shlex.quote(json.dumps(fixed)[1:])
    return StringCommand(
        f'printf \'{{"time": "%s", %s\\n\' "$(date -u +%FT%TZ)" {rest} >> {paths.log}'
    )
