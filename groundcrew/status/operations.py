"""Operations that show the state of hosts and never count as changes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from pyinfra import host as current_host
from pyinfra import logger
from pyinfra.api import FunctionCommand, operation

from groundcrew import json_file, terminal
from groundcrew.contract import StatusLines, modules, requests
from groundcrew.facts.status import HostStatus, Status
from groundcrew.operations.guard import refuse
from groundcrew.status.tables import releases_table, status_table

DEFAULT_LINES = 10
Commands = Generator[FunctionCommand, None, None]

_reports: dict[str, HostStatus] = {}
_releases: dict[str, Any] = {}


@operation()
def show(
    apps: Sequence[str],
    lines: int | None,
    json_path: str | None,
    roles: Sequence[StatusLines] = (),
) -> Commands:
    """Prints the state of the host and its applications. Does nothing while changes are detected.

    + apps: names of the applications
    + lines: entries of each release log, None for 10
    + json_path: file on the operator's machine for the state of all hosts of this run
    + roles: lines of the roles
    """
    report = look(apps, lines, roles)
    if report is None:
        return
    say(partial(status_table, roles=roles), report)
    if json_path:
        _reports[current_host.name] = report
        try:
            json_file.replace(json_path, {"hosts": _reports})
        except OSError as error:
            yield refuse(f"status.json cannot be written: {error}")


@operation()
def show_releases(apps: Sequence[str], json_path: str | None = None) -> Commands:
    """Prints the kept releases of the applications. Does nothing while changes are detected.

    + apps: names of the applications
    + json_path: file on the operator's machine for the releases of all hosts of this run
    """
    report = look(apps, None)
    if report is None:
        return
    say(releases_table, report)
    if json_path:
        _releases[current_host.name] = {
            "apps": {
                name: {"live": item["live"], "releases": item["releases"]}
                for name, item in report["apps"].items()
            }
        }
        try:
            json_file.replace(json_path, {"hosts": _releases})
        except OSError as error:
            yield refuse(f"releases.json cannot be written: {error}")


def look(
    apps: Sequence[str], lines: int | None, roles: Sequence[StatusLines] = ()
) -> HostStatus | None:
    """The state of the current host, in one round trip; None while changes are detected."""
    if not current_host.state.is_executing:
        return None
    report: HostStatus | None = current_host.get_fact(
        Status,
        apps=apps,
        lines=lines or DEFAULT_LINES,
        reads=requests([role.reads for role in roles]),
        modules=modules([role.reads for role in roles]),
    )
    return report


def say(table: Callable[[str, HostStatus, int], list[str]], report: HostStatus) -> None:
    """Prints all lines at once, since other hosts print at the same time. Lines are indented like
    pyinfra's own; the logger indents the first one."""
    logger.info("\n    ".join(table(current_host.name, report, terminal.width())))
