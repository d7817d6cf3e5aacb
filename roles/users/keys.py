"""The operator's own public keys, for admins that have none of their own in the settings."""

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
    """The key of this run (`ssh_key`), else those of the SSH agent, else ~/.ssh/id_*.pub.

    The one that was `used` to log in is among them, wherever it came from (~/.ssh/config).
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


def _with(used: PKey | None, found: OperatorKeys | None) -> OperatorKeys | None:
    known = found.keys if found else ()
    if used is None or any(used.get_base64() in line.split() for line in known):
        return found
    origin = "the key of this login"
    return OperatorKeys(
        (public_text(used), *known), f"{origin}, {found.origin}" if found else origin
    )


def agent_keys() -> tuple[str, ...]:
    """The public keys that the operator's SSH agent holds; none where there is no agent."""
    try:
        return tuple(public_text(key) for key in Agent().get_keys())
    except (SSHException, OSError):
        return ()


def public_text(key: Any) -> str:
    """A key's line for authorized_keys."""
    return f"{key.get_name()} {key.get_base64()} groundcrew-operator"
