"""Accounts and directories of an application."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import RUN, UPSTREAMS, AppPaths
from groundcrew.entries import Directory, Entry, File, Link
from groundcrew.operations.accounts import Group, User
from groundcrew.takeover import Claim
from groundcrew.templates import render

NGINX_USER = "www-data"
NO_LOGIN = "/usr/sbin/nologin"


def groups(paths: AppPaths) -> list[Group]:
    """The application's own group, the one that may read finished code, and the one that may
    connect to its sockets."""
    return [
        Group(paths.user, system=True),
        Group(paths.build_group, system=True, members=(paths.user,)),
        Group(paths.socket_group, system=True, members=(NGINX_USER,)),
    ]


def users(paths: AppPaths) -> list[User]:
    """The user that runs the application and the one that builds it; neither can log in."""
    return [
        User(paths.user, system=True, home=paths.home, shell=NO_LOGIN, group=paths.user),
        User(
            paths.build_user,
            system=True,
            home=paths.cache,
            shell=NO_LOGIN,
            group=paths.build_group,
        ),
    ]


def claim(name: str, app: AppSettings) -> Claim:
    """All of them, and whether accounts of these names that are there already may be taken over."""
    paths = AppPaths(name)
    return Claim(name, paths.accounts, tuple(users(paths)), tuple(groups(paths)), app.adopt)


def directories(paths: AppPaths, app: AppSettings) -> list[Entry]:
    """Everything but the releases themselves."""
    owner, build = paths.user, paths.build_user
    entries: list[Entry] = [
        Directory(paths.root),
        Directory(paths.releases, mode="0711"),
        Directory(paths.environments, mode="0750", group=paths.build_group),
        Directory(paths.code, mode="0750", group=paths.build_group),
        Directory(paths.builds, mode="0711"),
        Directory(paths.cache, mode="0700", user=build, group=paths.build_group),
        shared(paths, app, ""),
        Directory(paths.home, mode="0750", user=owner, group=owner),
    ]
    entries += [shared(paths, app, name) for name in _with_parents(app.kept)]
    return [
        *entries,
        File(
            paths.tmpfiles,
            f"d {UPSTREAMS} 0755 root root -\nd {paths.upstreams} 0755 root root -\n",
        ),
        Directory(RUN),
        Directory(UPSTREAMS),
        Directory(paths.upstreams),
    ]


def mounts(paths: AppPaths) -> list[Entry]:
    """The file system of the application's sockets, now and at every boot."""
    unit = f"/etc/systemd/system/{paths.runtime_mount}"
    wants = f"/etc/systemd/system/local-fs.target.wants/{paths.runtime_mount}"
    return [
        Directory("/etc/systemd/system/local-fs.target.wants"),
        File(unit, render("app/runtime.mount.j2", paths=paths)),
        Link(wants, unit),
    ]


def mount(every: Sequence[AppPaths]) -> str:
    """Shell that mounts them, and lets nginx see those that are new: it has a view of the file
    systems of its own, which on some hosts does not follow."""
    units = " ".join(shlex.quote(paths.runtime_mount) for paths in every)
    seen = " && ".join(f"grep -q ' {paths.runtime} ' /proc/$nginx/mountinfo" for paths in every)
    return (
        f"systemctl daemon-reload && systemctl start {units} && "
        "nginx=$(systemctl show --property=MainPID --value nginx.service) && "
        f'if [ "${{nginx:-0}}" != 0 ] && ! {{ {seen}; }}; then systemctl restart nginx.service; fi'
    )


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
