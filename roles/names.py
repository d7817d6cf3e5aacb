"""Names of administrators and login groups must not be those of application or system accounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from groundcrew.manifest.paths import AppPaths
from groundcrew.roles.ssh.settings import SshSettings
from groundcrew.roles.users.settings import UsersSettings
from groundcrew.settings.reserved import is_system_account

Conflict = tuple[tuple[str, ...], str]
RENAME = "choose another name for one of the two"


def conflicts(users: UsersSettings, ssh: SshSettings, apps: Iterable[str]) -> Iterator[Conflict]:
    """Names of administrators, and of users and groups that may log in or use su, that belong to an
    application or to Debian: key -> reason."""
    owners = {account: name for name in apps for account in AppPaths(name).accounts}
    for name, admin in users.admins.items():
        key = ("users", "admins", name)
        if admin is None:
            continue
        if name in owners:
            yield (
                key,
                f'"{name}" is an account of the application "{owners[name]}", which would become '
                f"root without a password; {RENAME}",
            )
        elif is_system_account(name):
            yield (
                key,
                f'"{name}" is a system user or group of Debian, not a person; choose another name',
            )
    group = users.logins.su_group
    if group in owners:
        yield (
            ("users", "logins", "su_group"),
            f'"{group}" is an account of the application "{owners[group]}", which could then '
            f"use su; {RENAME}",
        )
    for setting, patterns in (("allow_users", ssh.allow_users), ("allow_groups", ssh.allow_groups)):
        for pattern in patterns:
            account = pattern.partition("@")[0]
            if account in owners:
                yield (
                    ("ssh", setting),
                    f'"{account}" is an account of the application "{owners[account]}", which '
                    "nobody logs in to; take it out, or choose another name for the application",
                )
