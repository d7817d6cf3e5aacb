"""Prints an application's logs as they are written: the journal of its units, and nginx's two logs.

Runs on the host as root, as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"app": name, "lines":
number of older ones of each log}. Runs until nobody reads any more. Standard library only, Python
3.9 or later.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import IO, Any, Optional

from groundcrew.remote.app_logs import ACCESS, DIRECTORY, ERROR, journal, nginx

FIELDS = "MESSAGE,UNIT,_SYSTEMD_UNIT"

LOOK = 1000
"""Milliseconds between two looks whether somebody still reads."""

writing = threading.Lock()


Show = Callable[[str], str | None]


def commands(app: str) -> list[tuple[list[str], Show]]:
    """What prints new lines, and how each is shown. Of the journal, all of the application's user
    and of systemd: patterns of units would leave out those of releases to come."""
    new = [
        "journalctl", "--follow", "--quiet", "--output=json", f"--output-fields={FIELDS}",
        "--lines=0", f"_UID={pwd.getpwnam(app).pw_uid}", "+", "_PID=1",
    ]  # fmt: skip
    # -F: the files are replaced when they are rotated.
    tail = ["tail", "--quiet", "--lines=0", "-F"]
    return [
        (new, lambda line: entry(app, line)),
        ([*tail, f"{DIRECTORY}/{app}.access.log"], lambda line: f"nginx access: {line}"),
        ([*tail, f"{DIRECTORY}/{app}.error.log"], lambda line: f"nginx error: {line}"),
    ]


def older(app: str, lines: int) -> list[str]:
    """The last lines of each log."""
    if not lines:
        return []
    access = nginx(f"{app}.access.log", ACCESS, lines, None)
    error = nginx(f"{app}.error.log", ERROR, lines, None)
    return [
        *(f"nginx access: {line}" for line in access),
        *(f"nginx error: {line}" for line in error),
        *journal(app, lines, None),
    ]


def entry(app: str, line: str) -> Optional[str]:  # noqa: UP045 - Python 3.9
    """An entry of the journal for people; None if it is not about the application."""
    item: dict[str, Any] = json.loads(line)
    # journald may not know the unit of a process that has ended; its user is the application's.
    unit = str(item.get("UNIT") or item.get("_SYSTEMD_UNIT") or f"{app}@")
    if not re.match(rf"({re.escape(app)}(\.[^@]*)?@|groundcrew-run-{re.escape(app)}-)", unit):
        return None
    message = item.get("MESSAGE")
    # journald has what is not text as a list of bytes.
    text = bytes(message).decode(errors="replace") if isinstance(message, list) else str(message)
    at = time.localtime(int(item["__REALTIME_TIMESTAMP"]) / 1e6)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S%z', at)} {unit}: {text}"


def say(lines: Iterable[str]) -> None:
    """Prints lines, and no line of another log among them."""
    data = "".join(f"{line}\n" for line in lines).encode(errors="replace")
    with writing:
        while data:
            data = data[os.write(1, data) :]


def copy(source: IO[bytes], show: Show) -> None:
    """Prints the lines of a program as they come."""
    for line in source:
        shown = show(line.decode(errors="replace").rstrip("\n"))
        if shown is not None:
            say(shown.split("\n"))


def main() -> int:
    """Prints until the connection ends."""
    request: dict[str, Any] = json.loads(sys.argv[1])
    app = request["app"]
    say(older(app, request["lines"]))
    started = []
    for command, show in commands(app):
        one = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        threading.Thread(target=copy, args=(one.stdout, show), daemon=True).start()
        started.append(one)
    poll = select.poll()
    poll.register(1, 0)
    try:
        while not poll.poll(LOOK):
            if any(one.poll() is not None for one in started):
                return 1
        return 0
    finally:
        for one in started:
            one.terminate()


if __name__ == "__main__":
    sys.exit(main())
