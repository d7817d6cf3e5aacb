"""Looking at hosts, as operations that never count as a change."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from pyinfra import host as current_host
from pyinfra import logger
from pyinfra.api import FunctionCommand, operation

from groundcrew import json_file, terminal
from groundcrew.facts.status import HostStatus, Status
from groundcrew.operations.guard import refuse
from groundcrew.status.tables import releases_table, status_table

DEFAULT_LINES = 10
Commands = Generator[FunctionCommand, None, None]

_reports: dict[str, HostStatus] = {}


@operation()
def show(apps: Sequence[str], lines: int | None, json_path: str | None) -> Commands:
    """Prints how the host and its applications are; nothing while changes are being detected.

    + apps: names of the applications
    + lines: entries of each release log, None for 10
    + json_path: file on the operator's machine that gets the state of all hosts of this run
    """
    report = look(apps, lines)
    if report is None:
        return
    say(status_table, report)
    if json_path:
        _reports[current_host.name] = report
        try:
            json_file.replace(json_path, {"hosts": _reports})
        except OSError as error:
            yield refuse(f"status.json cannot be written: {error}")


@operation()
def show_releases(apps: Sequence[str]) -> Commands:
    """Prints the kept releases of the applications; nothing while changes are being detected.

    + apps: names of the applications
    """
    report = look(apps, None)
    if report is not None:
        say(releases_table, report)
    yield from ()


def look(apps: Sequence[str], lines: int | None) -> HostStatus | None:
    """The state of the current host, in one round trip; None where there is no run yet."""
    if not current_host.state.is_executing:
        return None
    report: HostStatus | None = current_host.get_fact(
        Status, apps=apps, lines=lines or DEFAULT_LINES
    )
    return report


def say(table: Callable[[str, HostStatus, int], list[str]], report: HostStatus) -> None:
    """Prints in one go: other hosts print at the same time. Indented like pyinfra's own lines,
    whose first the logger indents."""
    logger.info("\n    ".join(table(current_host.name, report, terminal.width())))
