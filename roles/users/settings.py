"""Settings of a host's administrators."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints, field_validator

from groundcrew.contract import Brings, HostView, RoleSettings
from groundcrew.model import Settings
from groundcrew.roles.users.logins import LoginsSettings
from groundcrew.ssh_keys import weakness

UserName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
LogFile = Annotated[str, StringConstraints(pattern=r"^/var/log/[A-Za-z0-9._/-]+$")]
ANOTHER_KEY = "make another one (ssh-keygen -t ed25519), or lower ssh.required_rsa_size"
KEY_TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ssh-rsa",
    "ecdsa-sha2-",
    "sk-ecdsa-sha2-",
)


def read_key(key: str) -> str:
    """The public key that a setting contains, literally or as a path on the operator's machine.

    Raises ValueError if the file is missing or is not one SSH public key.
    """
    if key.startswith("ssh-dss "):
        raise ValueError("a DSA key, which sshd does not take: make another with ssh-keygen")
    if key.startswith(KEY_TYPES):
        return key.strip()
    file = Path(key).expanduser()
    if not file.is_file():
        raise ValueError(f"neither a public key nor a file on this machine: {key}")
    text = file.read_text(errors="replace").strip()
    if text.startswith("ssh-dss "):
        raise ValueError(f"a DSA key, which sshd does not take: {key}")
    if not text.startswith(KEY_TYPES) or "\n" in text:
        raise ValueError(f"not one SSH public key: {key}")
    return text


class AdminSettings(Settings):
    """One person, or one account for automation, that may become root."""

    keys: tuple[str, ...] = ()
    """SSH public keys that may log in, each literally or as the path of a .pub file on the
    operator's machine. They replace the content of authorized_keys. Empty: the operator's own key,
    which is the key of this run (`ssh_key`), or else of the SSH agent, or else of ~/.ssh."""

    shell: Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9/._+-]+$")] = "/bin/bash"
    """Login shell; the host must have it."""

    groups: tuple[UserName, ...] = ("adm", "systemd-journal")
    """Groups that the administrator belongs to; the default ones may read the logs."""

    @field_validator("keys")
    @classmethod
    def _keys_are_public_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            read_key(key)
        return keys


def weak_keys(settings: UsersSettings, rsa_size: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """Keys that sshd will refuse: key below `users` -> reason."""
    for name, admin in settings.admins.items():
        for index, key in enumerate(admin.keys if admin else ()):
            if reason := weakness(read_key(key), rsa_size):
                yield ("admins", name, "keys", str(index)), f"{reason}: {ANOTHER_KEY}"


class UsersSettings(RoleSettings):
    """The accounts that administer a host; applications have their own."""

    admins: dict[UserName, AdminSettings | None] = {"deploy": AdminSettings()}  # noqa: RUF012
    """Administrators by user name. Their passwords are locked, and sudo asks for none. null takes
    away sudo and the keys; the account and its files stay."""

    logins: LoginsSettings = LoginsSettings()
    """What PAM asks of logins with a password."""

    sudo_log: LogFile | None = "/var/log/sudo.log"
    """File in which sudo records every command that an administrator runs as root, besides the
    journal. groundcrew's own commands are in the journal only; this file has the start of the
    process that runs them. It is rotated weekly, and 12 files are kept. null: the journal only."""

    def brings(self, host: HostView) -> Brings:
        """See `roles/users/brings.py`."""
        from groundcrew.roles.users.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)
