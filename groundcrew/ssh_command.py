"""The command line of ssh that runs something as root on a host of the inventory."""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OPTIONS = {
    "ssh_port": "Port",
    "ssh_user": "User",
    "ssh_key": "IdentityFile",
    "ssh_known_hosts_file": "UserKnownHostsFile",
    "ssh_strict_host_key_checking": "StrictHostKeyChecking",
}
"""Data of a host -> option of ssh."""

CONNECTION = (*OPTIONS, "ssh_config_file", "ssh_hostname")
"""All data of a host that says how to connect to it."""


KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
"""Names of the keys that are tried without being named."""


def of_home(data: Mapping[str, Any]) -> list[str]:
    """Options for the files below `$HOME`, where pyinfra looks for them, if that is not the user's
    home directory, where ssh does."""
    home = Path.home()
    if home == Path(pwd.getpwuid(os.getuid()).pw_dir):
        return []
    folder = home / ".ssh"
    config, known = folder / "config", folder / "known_hosts"
    options = ["-F", str(config)] if config.exists() and not data.get("ssh_config_file") else []
    options += [] if data.get("ssh_known_hosts_file") else [f"-oUserKnownHostsFile={known}"]
    keys = [] if data.get("ssh_key") else [folder / name for name in KEYS]
    return [*options, *(f"-oIdentityFile={key}" for key in keys if key.exists())]


def ssh_command(
    name: str, data: Mapping[str, Any], command: list[str], *, terminal: bool
) -> list[str]:
    """The command line that runs `command` as root on a host. It contains no password: on the host,
    root needs none."""
    options = [
        f"-o{option}={Path(str(value)).expanduser()}"
        for key, option in OPTIONS.items()
        if (value := data.get(key)) is not None
    ]
    config = data.get("ssh_config_file")
    return [
        "ssh",
        "-t" if terminal else "-T",
        *(["-F", str(config)] if config else []),
        *of_home(data),
        # Without the host's banner.
        "-oLogLevel=ERROR",
        *options,
        str(data.get("ssh_hostname") or name),
        shlex.join(["sudo", "--", *command]),
    ]
