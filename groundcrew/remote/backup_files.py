"""The files that backups contain: those of applications, and the host's own.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
from contextlib import suppress
from typing import Any, NamedTuple

from groundcrew.remote.backup_plan import FOLDER, Plan
from groundcrew.remote.backup_source import make_folder, stop_unit
from groundcrew.remote.commands import TooMuchError, bounded
from groundcrew.remote.printable import printable
from groundcrew.remote.private_file import write_private

Data = dict[str, Any]
COPIES = f"{FOLDER}/copies/apps"
"""SQLite databases by application. Each directory belongs to the application's user."""

OWNERS = f"{FOLDER}/copies/owners"
"""The numbers of applications' users and groups, a file each: other hosts have others."""

COPY_PROGRAM = "/usr/local/lib/groundcrew/sqlite_copies.py"
BESIDE = ("", "-wal", "-shm", "-journal")
"""Ends of the names of the files of an SQLite database."""
MOST_OUTPUT = 1 << 22
LONGEST = 1800
"""Seconds that the copies of an application's databases may take."""


class FilesError(Exception):
    """Files cannot be copied; the message says why."""


class FileSet(NamedTuple):
    """Files that are stored together."""

    name: str
    paths: tuple[str, ...]
    without: tuple[str, ...]
    problems: tuple[str, ...] = ()
    """What is stored all the same, but not as it should be."""


def of_host(plan: Plan) -> FileSet:
    """The host's own files: certificates, logins."""
    return FileSet("host", existing(plan.paths), ())


def of_app(name: str, app: Data) -> FileSet:
    """The files of an application, with consistent copies of its SQLite databases. Raises
    FilesError."""
    refuse_holes(name, app)
    databases, problems = copy_databases(name, app)
    note_owners(name, app)
    shared = app["shared"]
    originals = [os.path.join(shared, item) + end for item in databases for end in BESIDE]
    return FileSet(
        f"app:{name}",
        existing((*app["paths"], copies_of(name), f"{OWNERS}/{name}")),
        (*app["without"], *originals),
        tuple(problems),
    )


def refuse_holes(name: str, app: Data) -> None:
    """Raises FilesError for files that say that they have more than the disk holds: reading the
    holes in them would take hours, in which nothing else is stored."""
    if not os.path.isdir(app["shared"]):
        return
    state = os.statvfs(app["shared"])
    most, without = state.f_blocks * state.f_frsize, {*app["without"]}
    total = 0
    for folder, folders, names in os.walk(app["shared"]):
        folders[:] = [item for item in folders if os.path.join(folder, item) not in without]
        for path in (os.path.join(folder, item) for item in names):
            with suppress(OSError):
                file = os.lstat(path)
                holes = file.st_size - file.st_blocks * 512 if path not in without else 0
                total += max(0, holes)
            if total > most:
                raise FilesError(
                    f"the files of {name} are not stored: {_on_a_line(path)} and others have "
                    "holes, with which they are larger than the disk. Leave them out with "
                    "`backup.exclude`"
                )


def owners(app: Data) -> dict[str, tuple[int, int]]:
    """The numbers of an application's users and their groups on this host, by name."""
    ids = {}
    for key in app["accounts"]:
        try:
            account = pwd.getpwnam(key)
            ids[key] = (account.pw_uid, account.pw_gid)
        except KeyError:
            with suppress(KeyError):
                ids[key] = (-1, grp.getgrnam(key).gr_gid)
    return ids


def note_owners(name: str, app: Data) -> None:
    """Stores the numbers of an application's users, so that a restore on another host knows whose
    files are whose."""
    make_folder(OWNERS, 0o700)
    lines = [f"{key} {user} {group}\n" for key, (user, group) in owners(app).items()]
    write_private(f"{OWNERS}/{name}", "".join(lines))


def read_owners(path: str) -> dict[str, tuple[int, int]]:
    """What `note_owners` has stored; empty if there is nothing."""
    try:
        with open(path, encoding="ascii") as file:
            rows = [line.split() for line in file.read().splitlines()]
    except OSError:
        return {}
    return {key: (int(user), int(group)) for key, user, group in rows}


def copies_of(name: str) -> str:
    """Directory of the copies of an application's SQLite databases."""
    return f"{COPIES}/{name}"


def existing(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the paths that exist."""
    return tuple(path for path in paths if os.path.lexists(path))


def copy_databases(name: str, app: Data) -> tuple[list[str], list[str]]:
    """Copies the SQLite databases of an application, as its user and without network. Returns their
    names, relative to the shared directory, and a line for each that could not be copied. Raises
    FilesError."""
    shared, user = app["shared"], app["user"]
    if not os.path.isdir(shared):
        return [], []
    account = pwd.getpwnam(user)
    make_folder(FOLDER, 0o711)
    make_folder(f"{FOLDER}/copies", 0o711)
    make_folder(COPIES, 0o711)
    folder = make_folder(copies_of(name), 0o700, (account.pw_uid, account.pw_gid))
    properties = {
        "User": user,
        "Nice": "19",
        "MemoryMax": "512M",
        "TasksMax": "16",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "PrivateDevices": "yes",
        "PrivateNetwork": "yes",
        "PrivateTmp": "yes",
        "ProtectHome": "yes",
        "ProtectProc": "invisible",
        "ProtectSystem": "strict",
        "RestrictAddressFamilies": "AF_UNIX",
        "ReadWritePaths": f"{shared} {folder}",
        "RuntimeMaxSec": str(LONGEST),
        "UMask": "0077",
    }
    words = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect"]
    unit = f"groundcrew-copy-{name}.service"
    # That of a program that was killed would go on.
    stop_unit(unit)
    words.append(f"--unit={unit}")
    words += [f"--property={key}={value}" for key, value in properties.items()]
    command = [*words, "--", "/usr/bin/python3", "-IS", COPY_PROGRAM, shared, folder]
    try:
        result = bounded(command, MOST_OUTPUT, LONGEST + 100)
    except TooMuchError:
        stop_unit(unit)
        raise FilesError(
            f"the SQLite databases of {name} cannot be copied: their names are too many"
        ) from None
    if result.returncode != 0:
        why = result.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise FilesError(f"an SQLite database of {name} cannot be copied: {printable(why[-1])}")
    return copied(result.stdout)


def copied(output: bytes) -> tuple[list[str], list[str]]:
    """What the application's user has printed: relative paths of databases, and a line for each
    that could not be copied. Raises FilesError for anything else."""
    try:
        report = json.loads(output)
        names, failed = report["copied"], report["failed"]
        good = isinstance(names, list) and all(map(is_inside, names))
        problems = [_not_copied(*item) for item in failed]
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise FilesError("the copies of SQLite databases cannot be read")
    return list(names), problems


def _not_copied(name: str, why: str) -> str:
    return (
        f"the SQLite database {_on_a_line(name)} cannot be copied ({_on_a_line(why)}) and is "
        "stored as the file that it is: fix it, or leave it out with `backup.exclude`"
    )


def _on_a_line(text: str) -> str:
    """The beginning of what an application has written, with escapes for what is not printable."""
    return json.dumps(str(text)[:200])[1:-1]


def is_inside(name: Any) -> bool:
    """Whether a value is a relative path that leads nowhere else."""
    return (
        isinstance(name, str)
        and name == os.path.normpath(name)
        and not name.startswith(("/", ".."))
        and not any(letter in name for letter in "\0\n")
    )
