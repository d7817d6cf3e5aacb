"""Names of people against those of accounts: who may become root is nobody's account but theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from groundcrew.apps.paths import AppPaths
from groundcrew.settings.reserved import is_system_account
from roles.ssh.settings import SshSettings
from roles.users.settings import UsersSettings

Conflict = tuple[tuple[str, ...], str]
RENAME = "choose another name for one of the two"


def conflicts(users: UsersSettings, ssh: SshSettings, apps: Iterable[str]) -> Iterator[Conflict]:
    """People and groups with rights whose names are those of an application's accounts or of
    Debian's, by key."""
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
                f'"{name}" is a system user or group of Debian\'s, and no person; choose another '
                "name",
            )
    group = users.logins.su_group
    if group in owners:
        yield (
            ("users", "logins", "su_group"),
            f'"{group}" is an account of the application "{owners[group]}", which might use su; '
            f"{RENAME}",
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
