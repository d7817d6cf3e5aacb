"""Ansible's variables in an inventory: which mean something here, and which do not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFIX = "ansible_"
NAMES = {
    "ansible_host": "ssh_hostname",
    "ansible_ssh_host": "ssh_hostname",
    "ansible_port": "ssh_port",
    "ansible_ssh_port": "ssh_port",
    "ansible_user": "bootstrap_user",
    "ansible_ssh_user": "bootstrap_user",
    "ansible_private_key_file": "ssh_key",
    "ansible_ssh_private_key_file": "ssh_key",
}
"""Variable -> what it is called here. `ansible_user` is the user that the host has already: the
first run logs in as that one, and creates the administrators."""

OVER_SSH = ("ssh", "smart", "paramiko", "paramiko_ssh")
REFUSED = {
    "ansible_password": "hosts are reached with keys: put the public key on the host",
    "ansible_ssh_pass": "hosts are reached with keys: put the public key on the host",
    "ansible_ssh_common_args": "put options of SSH, such as ProxyJump, into ~/.ssh/config",
    "ansible_ssh_extra_args": "put options of SSH, such as ProxyJump, into ~/.ssh/config",
}
"""Variables without which a host might be reached in another way than is meant."""


def translated(variables: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A host's variables as its data, and the names of those of Ansible that have no meaning here.
    Raises ValueError for one that cannot be left out."""
    data: dict[str, Any] = {}
    ignored = []
    for name, value in variables.items():
        if name == "ansible_connection":
            if value not in OVER_SSH:
                raise ValueError(f"ansible_connection: hosts are reached over SSH, not {value!r}")
        elif name in REFUSED:
            if value not in (None, ""):
                raise ValueError(f"{name}: {REFUSED[name]}")
        elif name in NAMES:
            data.setdefault(NAMES[name], _value(name, value))
        elif name.startswith(PREFIX):
            ignored.append(name)
        else:
            data[name] = value
    return data, ignored


def _value(name: str, value: Any) -> Any:
    """A port may be written as a text."""
    if not name.endswith("port"):
        return value
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected a number") from None
