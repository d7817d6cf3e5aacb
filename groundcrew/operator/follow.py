"""The logs of an application on all hosts, as they are written, in one stream."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from threading import Lock, Thread

from groundcrew import remote
from groundcrew.operator.inventory import Known
from groundcrew.remote.printable import printable
from groundcrew.ssh_command import ssh_command

LOST = 255
"""Exit status of ssh when the connection is lost, or was not made."""


def command(host: Known, app: str, lines: int) -> list[str]:
    """The command line of ssh that prints the logs of a host."""
    request = json.dumps({"app": app, "lines": lines})
    program = ["python3", "-ISc", remote.script("follow_logs"), request]
    return ssh_command(host.name, host.connection, program, terminal=False)


def follow(hosts: Sequence[Known], app: str, lines: int, pattern: re.Pattern[str] | None) -> int:
    """Prints the logs until all connections have ended; returns the exit status. KeyboardInterrupt
    ends them."""
    running = [
        subprocess.Popen(
            command(host, app, lines),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        for host in hosts
    ]
    width = max(len(host.name) for host in hosts)
    lock = Lock()
    threads = [
        Thread(target=copy, args=(one, f"[{host.name:<{width}}] ", pattern, lock), daemon=True)
        for host, one in zip(hosts, running, strict=True)
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return max(one.wait() for one in running)
    finally:
        for one in running:
            one.terminate()


def copy(
    source: subprocess.Popen[str], prefix: str, pattern: re.Pattern[str] | None, lock: Lock
) -> None:
    """Prints the lines of a process, each with the prefix; only those that have the pattern."""
    for line in source.stdout or ():
        # Clients control parts of the lines.
        shown = printable(line.rstrip("\n"))
        if pattern is None or pattern.search(shown):
            with lock:
                print(f"{prefix}{shown}", flush=True)
    if source.wait() == LOST:
        print(f"{prefix}the connection was lost", file=sys.stderr)
