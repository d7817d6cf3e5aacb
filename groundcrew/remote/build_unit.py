"""Runs steps of a build in a transient unit: as the build user, sandboxed, with limits, and ended
with every process that it has started.

Part of the programs that import it: it is sent with them. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

from groundcrew.remote.printable import printable
from groundcrew.remote.run_lock import Run, RunIsGoneError, taken_over

LINE = 2000
"""Characters of a line that are shown: a build may print what it wants."""
LOOK = 0.5
"""Seconds between two looks whether another run has taken over."""
SANDBOX = (
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "LockPersonality=yes",
    "PrivateDevices=yes",
    "PrivateTmp=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHome=tmpfs",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    "RemoveIPC=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
    # What other applications have, and this one's own beside what is bound in.
    "TemporaryFileSystem=/srv:ro",
    "InaccessiblePaths=-/run/groundcrew",
    "KillMode=control-group",
    "TimeoutStopSec=10",
    "SendSIGKILL=yes",
)


class StepsFailedError(Exception):
    """Steps failed; what they had to say has been printed."""


@dataclass
class Unit:
    """A transient unit for the steps of one build, one after the other."""

    name: str
    user: str
    limits: dict[str, str]
    """Directives of its own, such as MemoryMax."""

    run: Run

    def steps(
        self,
        program: list[str],
        payload: dict[str, Any],
        binds: dict[str, str],
        shown: dict[str, str],
    ) -> None:
        """Runs a program as a unit, with `payload` on its standard input.

        `binds` are directories that it may write and `shown` paths that it may read, each with
        where it sees it. Raises StepsFailedError, and RunIsGoneError as soon as another run has
        taken over.
        """
        properties = [
            *SANDBOX,
            f"User={self.user}",
            f"Group={self.user}",
            *(f"{key}={value}" for key, value in self.limits.items()),
            *(f"BindPaths={source}:{target}" for source, target in binds.items()),
            *(f"BindReadOnlyPaths={source}:{target}" for source, target in shown.items()),
        ]
        command = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--unit={self.name}"]
        command += [f"--property={item}" for item in properties]
        process = subprocess.Popen(
            [*command, "--", *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        assert process.stdin and process.stdout and process.stderr
        readers = [
            threading.Thread(target=_pass_on, args=(source, target), daemon=True)
            for source, target in ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
        ]
        for reader in readers:
            reader.start()
        try:
            json.dump(payload, process.stdin)
            process.stdin.close()
        except BrokenPipeError:
            # It has ended already, and says why.
            pass
        try:
            while True:
                try:
                    status = process.wait(timeout=LOOK)
                    break
                except subprocess.TimeoutExpired:
                    if taken_over(self.run):
                        raise RunIsGoneError from None
        finally:
            if process.poll() is None:
                end(self.name)
                process.wait()
            for reader in readers:
                reader.join(timeout=10)
        if status != 0:
            raise StepsFailedError


def end(unit: str) -> None:
    """Ends the unit with everything that it has started; nothing where it does not run."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["systemctl", "stop", unit], check=False, **quiet)  # type: ignore[call-overload]
    subprocess.run(["systemctl", "reset-failed", unit], check=False, **quiet)  # type: ignore[call-overload]


def _pass_on(source: Any, target: Any) -> None:
    for line in iter(lambda: source.readline(LINE), ""):
        text = printable(line.rstrip("\n"))
        target.write(f"{text}\n")
        target.flush()
