"""Runs a command as an application, in the environment and the sandbox of its live release.

Runs on the host as root, as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"app": name, "command":
[words] (none: a shell), "terminal": whether the operator has one, "term": TERM of that}. Ends with
the command's exit status; 1 if there is no live release, 255 if a signal has ended it. A terminal
is one of the command's own, so that it never gets hold of root's. When the operator's connection
ends, so does the command. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from groundcrew.remote.app_files import SYSTEM, live_release, text

SERVER = re.compile(
    r"(Exec\w+|Type|Sockets|NotifyAccess|Watchdog\w+|Restart\w*|Timeout\w+|KillMode|RuntimeDirectory\w*"
    r"|Standard\w+|OOMPolicy)="
)
"""Lines of a unit that are about its server, and not about what runs in it."""

CREDENTIALS = "/run/credentials"
"""Where systemd keeps a unit's credentials: `%d` in unit files."""

LOOK = 200
"""Milliseconds between two looks whether the command has ended."""


def properties(unit: str, name: str) -> Iterator[str]:
    """The lines of a unit that say as whom and in which sandbox it runs, as systemd-run takes
    them for the unit `name`: without a second meaning of the percent sign."""
    inside = False
    for line in unit.splitlines():
        if line.startswith("["):
            inside = line == "[Service]"
        elif inside and line and line[0] not in "#;" and not SERVER.match(line):
            key, _, value = line.partition("=")
            value = "%".join(
                part.replace("%d", f"{CREDENTIALS}/{name}") for part in value.split("%%")
            )
            # Of these, systemd-run takes one at a time where names such as `multicast` are among
            # them.
            for part in value.split() if key.startswith("IPAddress") else [value]:
                yield f"{key}={part}"


def shell(app: str, *, terminal: bool) -> list[str]:
    """A shell, which says where it is if somebody looks."""
    bash = ["/bin/bash", "--norc", "--noprofile"]
    if not terminal:
        return bash
    return ["/usr/bin/env", f"PS1={app}@{socket.gethostname()}:\\w\\$ ", *bash, "-i"]


def systemd_run(request: dict[str, Any], unit: str, text: str) -> list[str]:
    """The command line that starts the command as a unit of its own."""
    app, terminal = request["app"], request["terminal"]
    # The unit's own PATH has the virtualenv first; systemd would look in root's.
    command = ["/usr/bin/env", "--", *request["command"]]
    if not request["command"]:
        command = shell(app, terminal=terminal)
    return [
        "/usr/bin/systemd-run",
        "--quiet",
        "--collect",
        "--wait",
        "--service-type=exec",
        f"--unit={unit}",
        f"--description={app}, a command of an operator",
        "--pty" if terminal else "--pipe",
        *(f"--property={line}" for line in properties(text, unit)),
        "--property=KillMode=mixed",
        "--property=TimeoutStopSec=10",
        *([f"--setenv=TERM={request['term']}"] if terminal and request["term"] else []),
        "--",
        # systemd would take it for one of its variables.
        *(word.replace("$", "$$") for word in command),
    ]


def stopped(number: int, frame: FrameType | None) -> None:
    """Handles a signal: the connection is gone."""
    del frame
    raise SystemExit(128 + number)


def gone() -> bool:
    """Whether nobody reads any more."""
    poll = select.poll()
    poll.register(1, 0)
    return bool(poll.poll(LOOK))


def run(command: list[str], unit: str) -> int:
    """Runs it, and returns its exit status. Nothing of it is left when this returns or raises."""
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, stopped)
    started = subprocess.Popen(command)
    try:
        while started.poll() is None:
            if gone():
                return 128 + signal.SIGPIPE
        return started.returncode
    finally:
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        # Also if systemd-run has ended: the same signal may have ended it, and not the unit.
        subprocess.run(["systemctl", "stop", unit], check=False, stderr=subprocess.DEVNULL)
        started.wait()


def main() -> int:
    """Runs the request."""
    request: dict[str, Any] = json.loads(sys.argv[1])
    app = request["app"]
    release, _ = live_release(app)
    unit = text(SYSTEM / f"{app}@{release}.service") if release else ""
    if not unit:
        print(f"{app} has no live release on {socket.gethostname()}", file=sys.stderr)
        return 1
    name = f"groundcrew-run-{app}-{os.urandom(4).hex()}.service"
    return run(systemd_run(request, name, unit), name)


if __name__ == "__main__":
    sys.exit(main())
