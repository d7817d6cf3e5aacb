"""OpenSSH's client for lab hosts, with the lab's key and known_hosts file."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

from groundcrew.lab import debian, keys
from groundcrew.project import program


def ensure_client() -> None:
    """Install the client if it is missing. Raises `LabError` if that fails."""
    if shutil.which("ssh") is None:
        debian.install(["openssh-client"], f"{program('lab')} logs in with it")


def ssh_command(
    address: str,
    user: str,
    remote: Sequence[str],
    port: int = 22,
    options: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the ssh command line for a host (pure). `options` are additional options of ssh."""
    every = {
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(keys.KNOWN_HOSTS),
        "GlobalKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        **(options or {}),
    }
    return [
        "ssh",
        "-i",
        str(keys.PRIVATE_KEY),
        "-p",
        str(port),
        *[part for key, value in every.items() for part in ("-o", f"{key}={value}")],
        f"{user}@{address}",
        *remote,
    ]
