"""Reads the last lines of an application's logs: the journal of its units, and nginx's two logs.

Runs on the host as root, as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"app": name, "lines":
number of each log, "since": seconds ago or null}. Prints one line of JSON: {"journal", "access",
"error": [line]}. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundcrew.remote.app_files import tail
from groundcrew.remote.commands import ending

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.logs import LogLines

DIRECTORY = Path("/var/log/nginx")
LOG_BYTES = 8 << 20
ACCESS = (re.compile(r"\[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]"), "%d/%b/%Y:%H:%M:%S %z")
ERROR = (re.compile(r"^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)"), "%Y/%m/%d %H:%M:%S")


def journal(app: str, lines: int, since: int | None) -> list[str]:
    """The last lines of the journal of all units of the application."""
    command = ["journalctl", "--no-pager", "--quiet", "--output=short-iso", f"--lines={lines}"]
    command += [f"--unit={app}@*", f"--unit={app}.*@*"]
    if since is not None:
        command.append(f"--since=@{int(time.time()) - since}")
    return ending(command, LOG_BYTES, errors=subprocess.STDOUT).splitlines()


def when(line: str, kind: tuple[re.Pattern[str], str]) -> float | None:
    """Unix time of a line, in local time unless the line names its zone; None for a continuation
    line."""
    pattern, form = kind
    match = pattern.search(line)
    if not match:
        return None
    moment = datetime.strptime(match.group(1), form)
    return moment.timestamp()


def nginx(name: str, kind: tuple[re.Pattern[str], str], lines: int, since: int | None) -> list[str]:
    """The last lines of one of nginx's logs, including those of the previous file after a
    rotation."""
    newest = tail(DIRECTORY / name, LOG_BYTES)
    if len(newest) < lines:
        newest = tail(DIRECTORY / f"{name}.1", LOG_BYTES) + newest
    if since is not None:
        start = time.time() - since
        kept: deque[str] = deque()
        for line in reversed(newest):
            moment = when(line, kind)
            if moment is not None and moment < start:
                break
            kept.appendleft(line)
        newest = list(kept)
    return newest[-lines:]


def main() -> int:
    """Prints the logs requested in argv[1]."""
    request: dict[str, Any] = json.loads(sys.argv[1])
    app, lines, since = request["app"], request["lines"], request["since"]
    report: LogLines = {
        "journal": journal(app, lines, since),
        "access": nginx(f"{app}.access.log", ACCESS, lines, since),
        "error": nginx(f"{app}.error.log", ERROR, lines, since),
    }
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
