"""An application's logs, as an operation that never counts as a change."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.output import format_text

from groundcrew.facts.logs import Logs
from groundcrew.remote.printable import printable

DEFAULT_LINES = 50
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
TITLES = {
    "journal": "journal of its web server, workers and timers",
    "access": "nginx's access log",
    "error": "nginx's error log",
}


@operation()
def show(app: str, lines: int | None, since: str | None) -> Generator[FunctionCommand, None, None]:
    """Prints the ends of the application's logs; nothing while changes are being detected.

    + app: its name
    + lines: of each log, None for 50
    + since: nothing older than this, such as `10m`
    """
    yield from ()
    if not host.state.is_executing:
        return
    logs = host.get_fact(Logs, app=app, lines=lines or DEFAULT_LINES, since=seconds(since))
    # In one go: other hosts print at the same time. The logger indents the first line.
    logger.info("\n    ".join(report(f"[{host.name}] ", logs)))


def seconds(span: str | None) -> int | None:
    """`10m` in seconds."""
    return int(span[:-1]) * UNITS[span[-1]] if span else None


def report(prefix: str, logs: Mapping[str, Sequence[str]]) -> list[str]:
    """All logs below one another, every line with the prefix."""
    lines = []
    for name, title in TITLES.items():
        found = logs.get(name, ())
        lines.append(prefix + format_text(f"{title}{'' if found else ': nothing'}", bold=True))
        # Some of it comes from clients.
        lines += [prefix + printable(line) for line in found]
    return lines
