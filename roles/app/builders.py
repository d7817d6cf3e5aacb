"""Accounts and directories of an application."""

from __future__ import annotations

from collections.abc import Sequence

from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from groundcrew.entries import Directory, Entry, File
from groundcrew.operations.accounts import Group, User

NGINX_USER = "www-data"
NO_LOGIN = "/usr/sbin/nologin"


def groups(paths: AppPaths) -> list[Group]:
    """The application's own group, and the one that may connect to its sockets."""
    return [
        Group(paths.user, system=True),
        Group(paths.socket_group, system=True, members=(NGINX_USER,)),
    ]


def users(paths: AppPaths) -> list[User]:
    """The user that runs the application and the one that builds it; neither can log in."""
    return [
        User(paths.user, system=True, home=paths.home, shell=NO_LOGIN, group=paths.user),
        User(paths.build_user, system=True, home=paths.cache, shell=NO_LOGIN, group=paths.user),
    ]


def directories(paths: AppPaths, app: AppSettings) -> list[Entry]:
    """Everything but the releases themselves."""
    owner, build = paths.user, paths.build_user
    entries: list[Entry] = [
        Directory(paths.root),
        Directory(paths.releases, mode="0750", user=build, group=owner),
        Directory(paths.cache, mode="0700", user=build, group=owner),
        shared(paths, app, ""),
        Directory(paths.home, mode="0750", user=owner, group=owner),
    ]
    entries += [shared(paths, app, name) for name in _with_parents(app.kept)]
    # The set-group-id bit gives new sockets the group that nginx is in.
    text = f"d {paths.runtime} 2750 {owner} {paths.socket_group} -\n"
    return [
        *entries,
        File(paths.tmpfiles, text),
        Directory(paths.runtime, mode="2750", user=owner, group=paths.socket_group),
    ]


def shared(paths: AppPaths, app: AppSettings, name: str) -> Directory:
    """A directory that outlives releases. nginx may read uploaded files and those that the
    application has it send, and on the way there it may only pass."""
    path, owner = f"{paths.shared}/{name}".rstrip("/"), paths.user
    sent = [f"{paths.shared}/{item}" for item in app.sent]
    if path in sent:
        group = paths.socket_group
        return Directory(path, mode="2750", user=owner, group=group, default_mode="0750")
    if any(item.startswith(f"{path}/") for item in sent):
        return Directory(path, mode="0710", user=owner, group=paths.socket_group)
    return Directory(path, mode="0750", user=owner, group=owner)


def _with_parents(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        parts = name.strip("/").split("/")
        for end in range(1, len(parts) + 1):
            path = "/".join(parts[:end])
            if path not in found:
                found.append(path)
    return found
