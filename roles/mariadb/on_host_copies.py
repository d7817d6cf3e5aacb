"""Copies of MariaDB's data on its host: full ones, and the binary logs since.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from groundcrew.remote.backup_source import COPIES, SourceError, make_folder, stop_unit
from groundcrew.remote.safe_paths import open_file, opened
from groundcrew.roles.mariadb.on_host import SOCKET, ServerError, client
from groundcrew.roles.mariadb.on_host_binlog import (
    INDEX,
    missing,
    number,
    read_index,
    scan,
    scan_file,
)
from groundcrew.roles.mariadb.on_host_sandbox import in_unit

Data = dict[str, Any]
DATA = "/var/lib/mysql"
MANIFEST = "groundcrew.json"
"""File of a full copy: `started`, `ended`, `log`, `position` and `files` (path -> size)."""

FULL = "full-"
LOGS = "binlogs"
UNIT = "groundcrew-backup-mariadb.service"
LOOK = 5.0
WAITS = """
SELECT ID FROM information_schema.PROCESSLIST
WHERE USER = 'root' AND INFO LIKE 'BACKUP STAGE%' AND TIME > {};
"""
"""The session of a copy that has been waiting for a lock for so many seconds."""

MOST = 60
"""Seconds that it waits. Meanwhile, nobody else can change tables either."""

# Its names in MariaDB 11 and 10.
POSITION = ("mariadb_backup_binlog_info", "xtrabackup_binlog_info")


class Full(NamedTuple):
    """A full copy."""

    folder: str
    manifest: Mapping[str, Any]


def home(below: str = "/") -> str:
    """Directory of the copies, which are below another directory when they are restored."""
    return os.path.join(below, COPIES.lstrip("/"), "mariadb")


def fulls(folder: str) -> list[Full]:
    """The full copies that are whole, oldest first."""
    backups = []
    try:
        names = sorted(name for name in os.listdir(folder) if name.startswith(FULL))
    except FileNotFoundError:
        return []
    for name in names:
        path = os.path.join(folder, name)
        try:
            with open(os.path.join(path, MANIFEST), encoding="utf-8") as file:
                backups.append(Full(path, json.load(file)))
        except (FileNotFoundError, ValueError):
            raise SourceError(f"{path} is not whole") from None
    return sorted(backups, key=lambda item: float(item.manifest["ended"]))


def files(folder: str) -> Iterator[tuple[str, int]]:
    """Path and size of each file below a directory of root's. Raises SourceError for anything but
    files and directories."""
    for entry in sorted(os.scandir(folder), key=lambda item: item.name):
        state = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(state.st_mode):
            for path, size in files(entry.path):
                yield os.path.join(entry.name, path), size
        elif stat.S_ISREG(state.st_mode):
            yield entry.name, state.st_size
        else:
            raise SourceError(f"{entry.path} is neither a file nor a directory")


def make_full(request: Data) -> None:
    """Makes a full copy. The program has root's login, but sees nothing of the host except programs
    and the server's data, wherever links of the server's user lead."""
    folder = make_folder(home())
    stop_unit(UNIT)
    target = os.path.join(folder, "new")
    shutil.rmtree(target, ignore_errors=True)
    os.mkdir(target, 0o700)
    started = time.time()
    with _not_blocked():
        in_unit(
            UNIT,
            ["/usr/bin/mariadb-backup", "--no-defaults", "--backup", f"--target-dir={target}",
             "--user=root", f"--socket={SOCKET}", f"--datadir={DATA}", "--tmpdir=/tmp"],
            {
                "User": "root",
                "CapabilityBoundingSet": "CAP_DAC_OVERRIDE",
                "TemporaryFileSystem": "/:ro /tmp",
                "BindReadOnlyPaths": f"/usr -/lib -/lib64 -/etc/ld.so.cache /run/mysqld {DATA}",
                "BindPaths": target,
                "PrivateNetwork": "yes",
                "RestrictAddressFamilies": "AF_UNIX",
                "SystemCallFilter": "@system-service",
                "Nice": "10",
                "IOSchedulingClass": "idle",
            },
        )  # fmt: skip
    log, position = _position(target)
    number(log, os.path.basename(request["binary_log"]))
    manifest = {"started": started, "ended": time.time(), "log": log, "position": position,
                "files": dict(files(target))}  # fmt: skip
    _write(os.path.join(target, MANIFEST), manifest)
    # A copy with its final name is whole, even after a power cut.
    os.sync()
    # Of a small database, two copies can begin within one second.
    second = time.strftime("%Y%m%dT%H%M%S", time.gmtime(started))
    os.rename(target, os.path.join(folder, f"{FULL}{second}.{int(started % 1 * 1e6):06d}Z"))


@contextmanager
def _not_blocked() -> Iterator[None]:
    """Ends the copy if it waits for long: an application may lock a table and keep it so. Raises
    SourceError then."""
    over, blocked = threading.Event(), threading.Event()

    def look() -> None:
        while not over.wait(LOOK):
            with suppress(ServerError, OSError, ValueError, subprocess.SubprocessError):
                for number_of_session in map(int, client(WAITS.format(MOST)).split()):
                    blocked.set()
                    client(f"KILL {number_of_session};")

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    except SourceError:
        if blocked.is_set():
            raise SourceError(
                f"no full copy: somebody has locked tables for more than {MOST} s, by LOCK TABLES "
                "or a statement that takes long (SHOW PROCESSLIST)"
            ) from None
        raise
    finally:
        over.set()
        thread.join()


def _position(target: str) -> tuple[str, int]:
    for name in POSITION:
        try:
            with opened(os.path.join(target, name)) as place:
                words = place.read()[0].decode("ascii", "replace").split()
        except FileNotFoundError:
            continue
        if len(words) >= 2 and words[1].isdigit():
            return words[0], int(words[1])
    raise SourceError("the server writes no binary logs: run deploy.py")


def _write(path: str, value: Any) -> None:
    staged = f"{path}.new"
    with open(staged, "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)


def forget_older() -> None:
    """Removes full copies except the newest, and the logs that no remaining one needs."""
    kept = fulls(home())
    for full in kept[:-1]:
        shutil.rmtree(full.folder)
    folder = os.path.join(home(), LOGS)
    index = read_index(folder)
    first = str(kept[-1].manifest["log"]) if kept else ""
    # A number with more digits is the larger one.
    old = [name for name in index["logs"] if (len(name), name) < (len(first), first)]
    if old:
        index["logs"] = {name: item for name, item in index["logs"].items() if name not in old}
        _write(os.path.join(folder, INDEX), index)
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if name != INDEX and name not in index["logs"]:
            os.unlink(os.path.join(folder, name))


def copy_logs(request: Data) -> float:
    """Copies the logs that have been closed since the last time, after the server has closed the
    current one. Returns the time up to which everything is in the copies. Raises SourceError."""
    source, base = os.path.split(request["binary_log"])
    folder = make_folder(os.path.join(home(), LOGS))
    until = time.time()
    current = client("SHOW MASTER STATUS;").split("\t")[0]
    number(current, base)
    if scan_file(os.path.join(source, current)).times:
        client("FLUSH BINARY LOGS;")
    listed = [line.split("\t")[0] for line in client("SHOW BINARY LOGS;").splitlines()]
    before = time.time()
    index = read_index(folder)
    oldest = fulls(home())[0]
    copied = [number(item, base) for item in index["logs"]]
    first = max([number(oldest.manifest["log"], base), *(item + 1 for item in copied)])
    gone = missing(listed, base, first)
    if gone or number(listed[-1], base) < first - 1:
        text = ", ".join(gone) or f"all after {base}.{first - 1:06}"
        raise SourceError(f"the server has no binary logs any more: {text}. A full copy helps")
    after = index["until"] or oldest.manifest["started"]
    for name in listed[:-1]:
        if number(name, base) >= first:
            size = _copy_log(os.path.join(source, name), os.path.join(folder, name))
            if name == oldest.manifest["log"] and size < oldest.manifest["position"]:
                raise SourceError(f"{name} is another one than at the full copy. A new one helps")
            index["logs"][name] = {"size": size, "after": after, "before": before}
    _write(os.path.join(folder, INDEX), {**index, "until": until})
    return until


def _copy_log(source: str, target: str) -> int:
    """Copies a log from the server's directory, without following links. Returns its size."""
    staged = f"{target}.new"
    with opened(source) as place:
        stream = os.fdopen(open_file(place.name, place.folder), "rb")
    with stream, open(staged, "wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())
    size = os.stat(staged).st_size
    with open(staged, "rb") as file:
        scan(file, size, source)
    os.replace(staged, target)
    return size
