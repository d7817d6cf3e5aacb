"""Backups of Prometheus' metrics, see `groundcrew/remote/backup_source.py`.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
Request: {"port": of Prometheus}. Its data belongs to the user `prometheus`: blocks of a few hours,
which never change once they are there. A copy is a snapshot, in which what is in its memory is a
block too. Only blocks that are new are copied.

A restore adds blocks to those that are there, and replaces none: what has been measured since
stays.
"""

from __future__ import annotations

import http.client
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from groundcrew.remote.backup_source import (
    COPIES,
    Opened,
    Saved,
    Scratch,
    SourceError,
    make_folder,
)
from groundcrew.remote.commands import run
from groundcrew.remote.seal import copy_content

Data = dict[str, Any]
EXACT = False
"""A snapshot has one moment."""

USER = "prometheus"
UNIT = "prometheus.service"
DATA = "/var/lib/prometheus/metrics2"
SNAPSHOTS = f"{DATA}/snapshots"
HOME = f"{COPIES}/monitoring"
SNAPSHOT = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{1,16}")
BLOCK = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
CHUNKS = re.compile(r"[0-9]{6,10}")
PARTS = ("index", "meta.json", "tombstones")
"""The files of a block, besides those in its directory `chunks`."""

LONGEST = 3600
"""Seconds that a command may take: gigabytes are copied."""

STARTING = 60
"""Seconds that Prometheus may need to start."""

STARTS = 503
PATIENCE = 300
"""Seconds that a snapshot may take."""


def save(request: Data, kind: str) -> Saved:
    """Copies the blocks that are new. All kinds of backups are the same."""
    del kind
    make_folder(HOME)
    until = time.time()
    name = snapshot(request["port"])
    try:
        blocks = copy_new(f"{SNAPSHOTS}/{name}", HOME)
    finally:
        _as_owner("rm", "-rf", "--", f"{SNAPSHOTS}/{name}")
    for left in set(os.listdir(HOME)) - set(blocks):
        shutil.rmtree(os.path.join(HOME, left))
    return Saved([HOME], until, {"blocks": len(blocks)})


def snapshot(port: int) -> str:
    """Lets Prometheus make one; returns its name. Raises SourceError."""
    status, told = _asked(port)
    if status != 200:
        raise SourceError(f"Prometheus makes no snapshot: {status} {told[:200]}")
    name = str(json.loads(told)["data"]["name"])
    if not SNAPSHOT.fullmatch(name):
        raise SourceError("Prometheus gives its snapshot a strange name")
    return name


def _asked(port: int) -> tuple[int, str]:
    """Status and text of the answer. Prometheus may just be starting."""
    deadline = time.monotonic() + STARTING
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("POST", "/api/v1/admin/tsdb/snapshot")
            answer = connection.getresponse()
            status, told = answer.status, answer.read().decode(errors="replace")
        except OSError as error:
            if not isinstance(error, ConnectionRefusedError) or time.monotonic() > deadline:
                raise SourceError(f"Prometheus makes no snapshot: {error}") from None
            status, told = STARTS, ""
        finally:
            connection.close()
        # While it reads its log, it answers so.
        if status != STARTS or time.monotonic() > deadline:
            return status, told
        time.sleep(1)


def copy_new(source: str, target: str) -> list[str]:
    """Copies the blocks that `target` does not have. Returns all of the source. Another user owns
    the source: only directories and files that a block has are read, and no link is followed."""
    with _entered(source) as folder:
        blocks = sorted(name for name in os.listdir(folder) if BLOCK.fullmatch(name))
        for name in blocks:
            if os.path.isdir(os.path.join(target, name)):
                continue
            half = os.path.join(target, ".half")
            with suppress(FileNotFoundError):
                shutil.rmtree(half)
            _copy_block(folder, name, half)
            os.rename(half, os.path.join(target, name))
    return blocks


def _copy_block(folder: int, name: str, target: str) -> None:
    os.makedirs(f"{target}/chunks", 0o700)
    block = _directory(name, folder)
    try:
        chunks = _directory("chunks", block)
        try:
            for part in PARTS:
                _copy_file(part, block, f"{target}/{part}")
            for part in filter(CHUNKS.fullmatch, os.listdir(chunks)):
                _copy_file(part, chunks, f"{target}/chunks/{part}")
        finally:
            os.close(chunks)
    finally:
        os.close(block)


def _copy_file(name: str, folder: int, target: str) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    source = os.open(name, flags, dir_fd=folder)
    try:
        state = os.fstat(source)
        if not stat.S_ISREG(state.st_mode):
            raise SourceError(f"{name} of a block is no file")
        with open(target, "xb", opener=_private) as file:
            copy_content(source, file.fileno(), state.st_size)
    finally:
        os.close(source)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _directory(name: str, folder: int | None = None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, dir_fd=folder)


@contextmanager
def _entered(path: str) -> Iterator[int]:
    """A directory whose path contains no link."""
    folder = _directory("/")
    try:
        for name in path.strip("/").split("/"):
            deeper = _directory(name, folder)
            os.close(folder)
            folder = deeper
        yield folder
    finally:
        os.close(folder)


def open_scratch(request: Data, restored: str, scratch: Scratch, at: float | None) -> Opened:
    """Lets Prometheus' own tool open all blocks. No server is needed for that."""
    del at
    close_scratch(request, scratch)
    source, folder = restored + HOME, f"{scratch.folder}/data"
    shutil.copytree(source, folder, copy_function=os.link)
    owner = pwd.getpwnam(USER)
    for root, _, names in os.walk(folder):
        for path in (root, *(os.path.join(root, name) for name in names)):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    told = _as_owner("promtool", "tsdb", "list", folder)
    times = ends(told)
    if len(times) != len(os.listdir(folder)):
        raise SourceError(f"{len(times)} of {len(os.listdir(folder))} blocks can be read")
    return Opened({}, max(times, default=0) / 1000 or None, "")


def ends(told: str) -> list[int]:
    """The last moment of each block, in milliseconds, as `promtool tsdb list` tells it."""
    return [int(line.split()[2]) for line in told.splitlines() if BLOCK.match(line)]


def compare(request: Data, scratch: Scratch, content: Data) -> list[str]:
    """Whether all blocks are there."""
    del request
    here = len(os.listdir(f"{scratch.folder}/data"))
    wanted = content.get("blocks", 0)
    return [] if here >= wanted else [f"{here} of {wanted} blocks are there"]


def close_scratch(request: Data, scratch: Scratch) -> None:
    """Removes the copy."""
    del request
    with suppress(FileNotFoundError):
        shutil.rmtree(f"{scratch.folder}/data")


def put_back(request: Data, app: str, scratch: Scratch, mark: str) -> list[str]:
    """Adds the blocks that Prometheus does not have, as the user that owns its data."""
    del request, app, mark
    folder, half = f"{scratch.folder}/data", f"{DATA}/.half"
    added = 0
    for name in sorted(os.listdir(folder)):
        if os.path.lexists(f"{DATA}/{name}"):
            continue
        _as_owner("rm", "-rf", "--", half)
        _as_owner("cp", "-r", "--", f"{folder}/{name}", half)
        _as_owner("mv", "-T", "--", half, f"{DATA}/{name}")
        added += 1
    done = run("systemctl", "restart", UNIT)
    if done.returncode != 0:
        raise SourceError(f"{UNIT} does not start: {done.stderr.strip()}")
    return [f"Prometheus: {added} blocks of metrics added to those that are there"]


def forget(request: Data, app: str, mark: str) -> None:
    """Nothing was replaced."""
    del request, app, mark


def _as_owner(*command: str) -> str:
    """Output of a command run as the user that owns the data. Raises SourceError."""
    done = subprocess.run(
        ["runuser", "-u", USER, "--", *command],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LONGEST,
        cwd="/",
    )
    if done.returncode != 0:
        raise SourceError(f"{command[0]} failed: {done.stderr.strip()[:300]}")
    return done.stdout
