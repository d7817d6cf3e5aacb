"""Uploads a local file to a host; no other user there can read it."""

from __future__ import annotations

from pathlib import Path

from pyinfra.api import Host, OperationError, StringCommand

STAGING = "/var/tmp"  # noqa: S108 - mktemp makes a private directory in it; /tmp may be memory


def staging(host: Host, prefix: str) -> str:
    """Creates a private directory of the connected user; returns its path on the host.

    Raises OperationError if that fails.
    """
    done, output = host.run_shell_command(
        StringCommand("mktemp", "-d", f"{STAGING}/{prefix}-XXXXXXXXXX")
    )
    if not done:
        raise OperationError(f"no staging directory on {host.name}: {output.output}")
    return output.stdout_lines[-1]


def stage(host: Host, local: Path, prefix: str) -> str:
    """Uploads `local` into a new private directory of the connected user; returns its path on the
    host.

    The user of the file removes the directory. Raises OperationError if the upload fails.
    """
    path = f"{staging(host, prefix)}/{local.name}"
    if not host.put_file(str(local), path):
        raise OperationError(f"upload of {local.name} to {host.name} failed")
    return path
