"""Accounts and directories of an application."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from groundcrew import remote
from groundcrew.entries import Absent, Directory, Entry, File, Link
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import RUN, UPSTREAMS, AppPaths
from groundcrew.operations.accounts import Group, User
from groundcrew.takeover import Claim
from groundcrew.templates import render

NGINX_USER = "www-data"
NO_LOGIN = "/usr/sbin/nologin"


def groups(paths: AppPaths) -> list[Group]:
    """The application's own group, the group that may read finished builds, and the group that may
    connect to the sockets."""
    return [
        Group(paths.user, system=True),
        Group(paths.build_group, system=True, members=(paths.user,)),
        Group(paths.socket_group, system=True, members=(NGINX_USER,)),
    ]


def users(paths: AppPaths) -> list[User]:
    """The user that runs the application and the user that builds it. Neither can log in."""
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
    """The accounts of an application, and whether existing accounts of these names may be
    adopted."""
    paths = AppPaths(name)
    return Claim(name, paths.accounts, tuple(users(paths)), tuple(groups(paths)), app.adopt)


def directories(paths: AppPaths, app: AppSettings) -> list[Entry]:
    """All directories of an application except those of single releases."""
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


AWAIT = "/usr/local/sbin/groundcrew-await"
"""Program that waits for services on other hosts."""


def awaiting(paths: AppPaths, app: AppSettings) -> list[Entry]:
    """The unit that holds the application back at boot until services on other hosts answer."""
    unit = f"/etc/systemd/system/{paths.await_unit}"
    wants = f"/etc/systemd/system/multi-user.target.wants/{paths.await_unit}"
    if not app.bound.awaited:
        return [Absent(wants), Absent(unit)]
    text = render("app/await.service.j2", paths=paths, program=AWAIT, places=app.bound.awaited)
    return [
        File(AWAIT, remote.source("await_services"), mode="0755"),
        File(unit, text),
        Link(wants, unit),
    ]


def mounts(paths: AppPaths) -> list[Entry]:
    """The file system for the application's sockets, mounted now and at every boot."""
    unit = f"/etc/systemd/system/{paths.runtime_mount}"
    wants = f"/etc/systemd/system/local-fs.target.wants/{paths.runtime_mount}"
    return [
        Directory("/etc/systemd/system/local-fs.target.wants"),
        File(unit, render("app/runtime.mount.j2", paths=paths)),
        Link(wants, unit),
    ]


def mount(every: Sequence[AppPaths]) -> str:
    """Shell commands that mount the socket file systems. nginx has its own mount namespace, which
    does not receive new mounts on some hosts; there nginx is restarted."""
    units = " ".join(shlex.quote(paths.runtime_mount) for paths in every)
    seen = " && ".join(f"grep -q ' {paths.runtime} ' /proc/$nginx/mountinfo" for paths in every)
    return (
        f"systemctl daemon-reload && systemctl start {units} && "
        "nginx=$(systemctl show --property=MainPID --value nginx.service) && "
        f'if [ "${{nginx:-0}}" != 0 ] && ! {{ {seen}; }}; then systemctl restart nginx.service; fi'
        # One that still waits for an address of before would keep the application from starting.
        " && systemctl stop 'groundcrew-await-*.service'"
    )


def shared(paths: AppPaths, app: AppSettings, name: str) -> Directory:
    """A directory that is kept across releases. nginx may read uploads and the files that the
    application sends through it, and may only traverse the directories above them."""
    path, owner = f"{paths.shared}/{name}".rstrip("/"), paths.user
    sent = [f"{paths.shared}/{item}" for item in app.sent]
    if path in sent:
        group = paths.socket_group
        return Directory(path, mode="2750", user=owner, group=group, default_mode="0750")
    if any(item.startswith(f"{path}/") for item in sent):
        return Directory(path, mode="0710", user=owner, group=paths.socket_group)
    return Directory(path, mode="0750", user=owner, group=owner)


def _with_parents(names: Sequence[str]) -> list[str]:
    paths: list[str] = []
    for name in names:
        parts = name.strip("/").split("/")
        for end in range(1, len(parts) + 1):
            path = "/".join(parts[:end])
            if path not in paths:
                paths.append(path)
    return paths
