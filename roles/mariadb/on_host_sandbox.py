"""Runs programs that read what the server's user could have made.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO

from groundcrew.remote.backup_source import Scratch, SourceError
from groundcrew.remote.commands import run

SECONDS = 24 * 3600
COMMON = {
    "CapabilityBoundingSet": "",
    "LockPersonality": "yes",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "UMask": "0077",
}


def words(unit: str, command: Sequence[str], properties: Mapping[str, str]) -> list[str]:
    """A command that runs another one in a unit, with its own input and output."""
    chosen = {**COMMON, **properties}
    return [
        *("systemd-run", "--quiet", "--wait", "--collect", "--pipe", f"--unit={unit}"),
        *(f"--property={key}={value}" for key, value in chosen.items()),
        "--",
        *command,
    ]


def as_server(scratch: Scratch, writable: Sequence[str] = ()) -> dict[str, str]:
    """Properties of a unit of the server's user that belongs to a scratch server."""
    return {
        "User": "mysql",
        "Slice": scratch.slice,
        "NetworkNamespacePath": scratch.namespace,
        "PrivateTmp": "yes",
        "ProtectHome": "yes",
        "ProtectSystem": "strict",
        "RestrictAddressFamilies": "AF_UNIX",
        **({"ReadWritePaths": " ".join(writable)} if writable else {}),
    }


def in_unit(
    unit: str,
    command: Sequence[str],
    properties: Mapping[str, str],
    output: int | IO[bytes] = subprocess.DEVNULL,
) -> None:
    """Runs a command in a unit and waits for its end. Raises SourceError with its last message."""
    run("systemctl", "reset-failed", unit)
    result = subprocess.run(
        words(unit, command, properties), check=False, stdin=subprocess.DEVNULL, stdout=output,
        stderr=subprocess.PIPE, timeout=SECONDS, cwd="/",
    )  # fmt: skip
    if result.returncode != 0:
        raise SourceError(f"{command[0]}: {reason(result.stderr) or result.returncode}")


def reason(text: bytes) -> str:
    """The last line of a program's messages that is about an error, else the last one."""
    lines = text.decode(errors="replace").strip().splitlines()
    errors = [line for line in lines if re.search(r"\b(error|failed|cannot|can't)\b", line, re.I)]
    return (errors or lines or [""])[-1].strip()
