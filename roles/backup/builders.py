"""Files of backups. Pure."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from typing import Any

from groundcrew import remote
from groundcrew.contract import BackupSource
from groundcrew.entries import Absent, Directory, Entry, File, Generated, Purge
from groundcrew.manifest import generated
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.roles.backup.settings import (
    BackupSettings,
    DirectoryTarget,
    S3Target,
    SftpTarget,
    folder_name,
)
from groundcrew.templates import render

FOLDER = "/etc/groundcrew/backup"
KEY = f"{FOLDER}/key"
MADE_UP = "/var/lib/groundcrew/backups/key"
"""The key that the host makes up."""

PROGRAMS = "/usr/local/lib/groundcrew"
UNITS = "/etc/systemd/system"
KINDS = ("full", "daily", "logs", "check", "drill")
COMMANDS = {kind: f"run {kind}" for kind in ("full", "daily", "logs")} | {
    "check": "check",
    "drill": "drill",
}
HOST_PATHS = (
    "/etc/groundcrew",
    "/etc/letsencrypt",
    "/etc/ssl/groundcrew",
    "/var/lib/groundcrew/credentials",
)
DAY = 86400


def timers(sources: Sequence[BackupSource]) -> list[str]:
    """The timers that must run."""
    kinds = [kind for kind in KINDS if kind != "logs" or sources]
    return [f"groundcrew-backup-{kind}.timer" for kind in kinds]


def entries(
    settings: BackupSettings, plan: Mapping[str, Any], sources: Sequence[BackupSource]
) -> list[Entry]:
    """Programs, plan and units; nothing in them is secret."""
    modules = tuple(dict.fromkeys(item.module for item in sources))
    kinds = [kind for kind in KINDS if kind != "logs" or sources]
    units: list[Entry] = []
    for kind in kinds:
        name = f"{UNITS}/groundcrew-backup-{kind}"
        units += [
            File(
                f"{name}.service",
                render("backup/backup.service.j2", kind=kind, command=COMMANDS[kind]),
            ),
            File(
                f"{name}.timer",
                render(
                    "backup/backup.timer.j2",
                    kind=kind,
                    when=getattr(settings.times, kind),
                    jitter="0" if kind == "logs" else settings.times.jitter,
                ),
            ),
        ]
    return [
        Directory("/etc/groundcrew"),
        Directory(FOLDER, mode="0700"),
        Directory(PROGRAMS),
        File(f"{PROGRAMS}/backup.py", remote.source("backup", *modules), mode="0700"),
        File(f"{PROGRAMS}/sqlite_copies.py", remote.source("sqlite_copies")),
        File(f"{FOLDER}/plan.json", json.dumps(plan, indent=1) + "\n", mode="0600"),
        File(
            f"{UNITS}/groundcrew-drill.slice",
            render("backup/drill.slice.j2", memory=settings.drill_memory, cpu=settings.drill_cpu),
        ),
        *units,
    ]


def secret_entries(settings: BackupSettings, secrets: Mapping[tuple[str, ...], str]) -> list[Entry]:
    """The key, and what logs in at the targets."""
    given = secrets.get(("backup", "key"))
    token = "the-key-of-this-host"  # noqa: S105
    made = Generated(token, MADE_UP, 43, string.ascii_letters + string.digits)
    files: list[Entry] = [
        File(KEY, f"{given}\n", mode="0600", secret=True)
        if given
        else File(KEY, f"{token}\n", mode="0600", secret=True, generated=(made,))
    ]
    for name, item in settings.used.items():
        files += _login(name, item, secrets)
    return [Purge(FOLDER, "target-*"), *files]


def _login(
    name: str, item: DirectoryTarget | SftpTarget | S3Target, secrets: Mapping[tuple[str, ...], str]
) -> list[Entry]:
    path = ("backup", "targets", name)
    begin = f"{FOLDER}/target-{name}"
    if isinstance(item, SftpTarget):
        place = item.host if item.port == 22 else f"[{item.host}]:{item.port}"
        known = "".join(f"{place} {key}\n" for key in item.host_keys)
        files: list[Entry] = [File(f"{begin}.known_hosts", known, mode="0600")]
        if item.identity:
            text = secrets[*path, "identity"].rstrip("\n")
            files.append(File(identity(name, item), f"{text}\n", mode="0600", secret=True))
        return files
    if isinstance(item, S3Target):
        text = f"{secrets[*path, 'access_key']}\n{secrets[*path, 'secret_key']}\n"
        return [File(f"{begin}.credentials", text, mode="0600", secret=True)]
    return []


def identity(name: str, item: SftpTarget) -> str:
    """File with the SSH key for a target."""
    return f"{FOLDER}/{'target' if item.identity else 'made'}-{name}.ssh"


def identities(settings: BackupSettings) -> list[str]:
    """Files with the SSH keys that the host makes up."""
    return [
        identity(name, item)
        for name, item in settings.used.items()
        if isinstance(item, SftpTarget) and not item.identity
    ]


def target(name: str, item: DirectoryTarget | SftpTarget | S3Target) -> dict[str, Any]:
    """A target as the program on the host knows it."""
    common = {"kind": item.type, "timeout": item.timeout}
    begin = f"{FOLDER}/target-{name}"
    if isinstance(item, SftpTarget):
        return {
            **common,
            "host": item.host,
            "port": item.port,
            "user": item.user,
            "path": item.path,
            "identity": identity(name, item),
            "known_hosts": f"{begin}.known_hosts",
        }
    if isinstance(item, S3Target):
        return {
            **common,
            "url": item.url,
            "region": item.region,
            "credentials": f"{begin}.credentials",
            "ca": "/etc/ssl/certs/ca-certificates.crt",
        }
    return {**common, "path": item.path}


def plan(
    settings: BackupSettings,
    host: str,
    apps: Mapping[str, AppSettings],
    sources: Sequence[BackupSource],
) -> dict[str, Any]:
    """The plan of the program on the host."""
    return {
        "host": folder_name(host),
        "key": KEY,
        "targets": {name: target(name, item) for name, item in settings.used.items()},
        "sources": [
            {
                "title": item.title,
                "module": item.module,
                "request": dict(item.request),
                "apps": list(item.apps),
            }
            for item in sources
        ],
        "apps": {name: application(name, item, host, sources) for name, item in apps.items()},
        "paths": [*HOST_PATHS, *settings.paths],
        "keep": settings.keep.model_dump(),
        "check_share": settings.check_share,
        "rpo": settings.rpo * 60,
        "rto": settings.rto * 60,
        "start_anew": settings.start_anew,
    }


def application(
    name: str, app: AppSettings, host: str, sources: Sequence[BackupSource]
) -> dict[str, Any]:
    """An application as the program on the host knows it."""
    paths = AppPaths(name)
    domain = app.domains[0].replace("*", "www") if app.domains else "localhost"
    return {
        "root": paths.root,
        "user": paths.user,
        "accounts": list(paths.accounts),
        "shared": paths.shared,
        "runtime": paths.runtime,
        "maintenance": paths.maintenance,
        "flag": paths.maintenance_flag,
        "paths": [paths.shared, paths.secrets, paths.history, paths.log],
        "replaced": [paths.shared, paths.secrets],
        "secrets": [item.store for item in generated.values(paths, app)],
        "without": [
            f"{paths.home}/.cache",
            *(f"{paths.shared}/{path}" for path in app.backup.exclude),
        ],
        "sources": [item.title for item in sources if name in item.apps],
        "elsewhere": [item for item in app.bound.providers if item != host],
        "drill": {
            "url": app.root + (app.backup.path or app.health.path),
            "host": domain,
            "scheme": app.scheme,
            "status": app.health.status,
            "timeout": app.health.timeout,
            "request_timeout": app.health.request_timeout,
            "commands": list(app.backup.drill),
        },
    }


def removed() -> list[Entry]:
    """What a host without targets no longer has. Its backups and its key stay."""
    names = [f"groundcrew-backup-{kind}.{end}" for kind in KINDS for end in ("service", "timer")]
    return [Absent(f"{UNITS}/{name}") for name in names]
