"""The operator's own public keys, for administrators without keys in the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from paramiko import Agent, PKey, SSHException


class OperatorKeys(NamedTuple):
    """Public keys, and where they were found."""

    keys: tuple[str, ...]
    origin: str


def operator_keys(
    session_key: PKey | None, home: Path, used: PKey | None = None
) -> OperatorKeys | None:
    """The key of this run (`ssh_key`), or those of the SSH agent, or ~/.ssh/id_*.pub.

    The key `used` to log in is always included, wherever it came from (~/.ssh/config).
    """
    if session_key is not None:
        return OperatorKeys((public_text(session_key),), "ssh_key of this run")
    if keys := agent_keys():
        return _with(used, OperatorKeys(keys, "SSH agent"))
    files = sorted((home / ".ssh").glob("id_*.pub"))
    if files:
        keys = tuple(file.read_text().strip() for file in files)
        return _with(used, OperatorKeys(keys, ", ".join(map(str, files))))
    return _with(used, None)


def _with(used: PKey | None, local: OperatorKeys | None) -> OperatorKeys | None:
    known = local.keys if local else ()
    if used is None or any(used.get_base64() in line.split() for line in known):
        return local
    origin = "the key of this login"
    return OperatorKeys(
        (public_text(used), *known), f"{origin}, {local.origin}" if local else origin
    )


def agent_keys() -> tuple[str, ...]:
    """The public keys in the operator's SSH agent; empty if there is no agent."""
    try:
        return tuple(public_text(key) for key in Agent().get_keys())
    except (SSHException, OSError):
        return ()


def public_text(key: Any) -> str:
    """The key as a line of authorized_keys."""
    return f"{key.get_name()} {key.get_base64()} groundcrew-operator"
