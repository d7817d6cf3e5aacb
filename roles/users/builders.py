"""Accounts and files of administrators. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from groundcrew.accounts import User
from groundcrew.entries import Absent, Directory, Entry, File
from groundcrew.roles.users import pam
from groundcrew.roles.users.settings import AdminSettings, UsersSettings, read_key
from groundcrew.templates import render

SUDOERS = "/etc/sudoers.d/groundcrew"
SUDO_ROTATION = "/etc/logrotate.d/groundcrew-sudo"


def managed(settings: UsersSettings) -> dict[str, AdminSettings]:
    """The administrators that are not set to null."""
    return {name: admin for name, admin in settings.admins.items() if admin is not None}


def removed(settings: UsersSettings) -> list[str]:
    """Administrators set to null: they lose their keys and sudo, their accounts and files stay."""
    return [name for name, admin in settings.admins.items() if admin is None]


def without_keys(settings: UsersSettings) -> list[str]:
    """The administrators without keys of their own, who get the operator's."""
    return [name for name, admin in managed(settings).items() if not admin.keys]


def users(settings: UsersSettings) -> list[User]:
    """The accounts of the administrators."""
    return [
        User(
            name=name,
            system=False,
            home=f"/home/{name}",
            shell=admin.shell,
            groups=admin.groups,
            comment="Administrator",
        )
        for name, admin in managed(settings).items()
    ]


def entries(settings: UsersSettings, operator_keys: Sequence[str]) -> list[Entry]:
    """The administrators' authorized keys, and the files of sudo and PAM."""
    files: list[Entry] = []
    for name, admin in managed(settings).items():
        keys = [read_key(key) for key in admin.keys] or list(operator_keys)
        files += _authorized_keys(name, keys)
    files += [Absent(f"/home/{name}/.ssh/authorized_keys") for name in removed(settings)]
    return [*files, sudoers(settings), *sudo_log(settings), *pam.entries(settings.logins)]


def _authorized_keys(name: str, keys: Sequence[str]) -> list[Entry]:
    directory = f"/home/{name}/.ssh"
    content = render("users/authorized_keys.j2", keys=keys)
    return [
        Directory(directory, mode="0700", user=name, group=name),
        File(f"{directory}/authorized_keys", content, mode="0600", user=name, group=name),
    ]


def sudoers(settings: UsersSettings) -> File:
    """The drop-in of sudo."""
    names = list(managed(settings))
    content = render("users/sudoers.j2", names=names, log=settings.sudo_log)
    return File(SUDOERS, content, mode="0440", validate="visudo -cqf {}")


def sudo_log(settings: UsersSettings) -> list[Entry]:
    """Rotation of sudo's own log."""
    if settings.sudo_log is None:
        return [Absent(SUDO_ROTATION)]
    content = render("users/logrotate.j2", path=settings.sudo_log)
    return [File(SUDO_ROTATION, content)]
