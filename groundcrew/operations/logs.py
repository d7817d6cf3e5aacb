"""Shows an application's logs, as an operation that never counts as a change."""

from __future__ import annotations

from collections.abc import Generator
from typing import Literal

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.output import format_text

from groundcrew.facts.logs import LogLines, Logs
from groundcrew.remote.printable import printable

DEFAULT_LINES = 50
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
TITLES: dict[Literal["journal", "access", "error"], str] = {
    "journal": "journal of its web server, workers and timers",
    "access": "nginx's access log",
    "error": "nginx's error log",
}


@operation()
def show(app: str, lines: int | None, since: str | None) -> Generator[FunctionCommand, None, None]:
    """Prints the last lines of the application's logs; does nothing while pyinfra detects changes.

    + app: the application's name
    + lines: number of lines of each log, None for 50
    + since: maximum age, such as `10m`
    """
    yield from ()
    if not host.state.is_executing:
        return
    logs = host.get_fact(Logs, app=app, lines=lines or DEFAULT_LINES, since=seconds(since))
    # In one call, since other hosts print at the same time. The logger indents the first line.
    logger.info("\n    ".join(report(f"[{host.name}] ", logs)))


def seconds(span: str | None) -> int | None:
    """A time span such as `10m` in seconds."""
    return int(span[:-1]) * UNITS[span[-1]] if span else None


def report(prefix: str, logs: LogLines) -> list[str]:
    """All logs, one after the other, every line with the prefix."""
    lines = []
    for name, title in TITLES.items():
        entries = logs[name]
        lines.append(prefix + format_text(f"{title}{'' if entries else ': nothing'}", bold=True))
        # Clients control parts of the lines.
        lines += [prefix + printable(line) for line in entries]
    return lines
