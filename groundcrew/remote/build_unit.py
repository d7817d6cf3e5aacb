"""Runs steps of a build in a transient unit: as the build user, sandboxed and limited. The unit
ends with every process that it has started.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from groundcrew.remote.printable import printable
from groundcrew.remote.run_lock import Run, RunIsGoneError, taken_over

LINE = 2000
"""Maximum length of a line that is shown: a build may print anything."""
MASK = "******"
SHORTEST = 4
"""Minimum length of a secret to mask: a shorter one would hide half of every line."""
LOOK = 0.5
"""Seconds between checks of whether another run has taken over."""
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
    # Hides the files of other applications, and this one's own except for the bind mounts.
    "TemporaryFileSystem=/srv:ro",
    "InaccessiblePaths=-/run/groundcrew",
    "KillMode=control-group",
    "TimeoutStopSec=10",
    "SendSIGKILL=yes",
)


class StepsFailedError(Exception):
    """Steps failed; their output has been printed."""


@dataclass
class Unit:
    """A transient unit for the steps of one build, which run one after the other."""

    name: str
    user: str
    limits: dict[str, str]
    """Additional directives, such as MemoryMax."""

    run: Run
    secrets: tuple[str, ...] = ()
    """Values to mask in the output of steps."""

    def steps(
        self,
        program: list[str],
        payload: dict[str, Any],
        binds: dict[str, str],
        shown: dict[str, str],
    ) -> None:
        """Runs a program as a unit, with `payload` on its standard input.

        `binds` are directories that it may write and `shown` paths that it may read, each mapped to
        the path inside the unit. Raises StepsFailedError, or RunIsGoneError as soon as another run
        has taken over.
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
        hidden = _forms(self.secrets)
        readers = [
            threading.Thread(target=_pass_on, args=(source, target, hidden), daemon=True)
            for source, target in ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
        ]
        for reader in readers:
            reader.start()
        try:
            json.dump(payload, process.stdin)
            process.stdin.close()
        except BrokenPipeError:
            # It has already ended and printed the reason.
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
    """Stops the unit with everything that it has started; does nothing if it does not run."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["systemctl", "stop", unit], check=False, **quiet)  # type: ignore[call-overload]
    subprocess.run(["systemctl", "reset-failed", unit], check=False, **quiet)  # type: ignore[call-overload]


def _forms(secrets: tuple[str, ...]) -> list[str]:
    """The forms in which values may appear in output, longest first: each line, plain and
    URL-encoded."""
    lines = [line.strip() for value in secrets for line in value.splitlines()]
    forms = {form for line in lines for form in (line, quote(line, safe=""))}
    return sorted((form for form in forms if len(form) >= SHORTEST), key=len, reverse=True)


def _pass_on(source: Any, target: Any, hidden: list[str]) -> None:
    for line in _masked(source, hidden):
        text = printable(line.rstrip("\n"))
        target.write(f"{text}\n")
        target.flush()


def _masked(source: Any, hidden: list[str]) -> Iterator[str]:
    """The lines with secrets masked. Long lines come in pieces, but no secret is split."""
    kept = max(map(len, hidden), default=1) - 1
    rest = ""
    for piece in iter(lambda: source.readline(LINE), ""):
        text = rest + piece
        for form in hidden:
            text = text.replace(form, MASK)
        end = len(text) if text.endswith("\n") else max(0, len(text) - kept)
        rest = text[end:]
        if end:
            yield text[:end]
    if rest:
        yield rest
