"""Binary logs of MariaDB: what is in one, and which of them come after a copy.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from groundcrew.remote.backup_source import SourceError
from groundcrew.remote.safe_paths import open_file, opened

INDEX = "index.json"
"""File beside the copied logs. Its `logs` are name -> `size`, and `after` and `before`: all that is
in the log was committed between these times. `until`: the time up to which all is in the logs."""

MAGIC = b"\xfebin"
HEADER = struct.Struct("<IBIIIH")
STOP, ROTATE, DESCRIPTION = 3, 4, 15
HOUSEKEEPING = {STOP, ROTATE, DESCRIPTION, 161, 163, 164}
"""Kinds of events that change no data: besides those with names, checkpoints, lists of transaction
numbers, and the beginning of encryption."""
IN_USE = 1
"""Flag of a log that the server has not closed: it writes to it, or has crashed."""


class Scanned(NamedTuple):
    """What is in a binary log."""

    times: Sequence[int]
    """When each event that changes data was written, in seconds since 1970, without repetitions."""

    closed: bool
    """Whether the server has closed it. One that a crash ended is not."""


def scan(stream: BinaryIO, size: int, label: str) -> Scanned:
    """Reads the headers of all events. Raises SourceError for a log that does not end where an
    event ends, unless a crash ended it."""
    if stream.read(len(MAGIC)) != MAGIC:
        raise SourceError(f"{label} is no binary log")
    position, times, kind, in_use = len(MAGIC), dict[int, None](), 0, False
    while position < size:
        stream.seek(position)
        header = stream.read(HEADER.size)
        if len(header) < HEADER.size:
            break
        when, kind, _, length, _, flags = HEADER.unpack(header)
        if length < HEADER.size or position + length > size:
            break
        if kind == DESCRIPTION:
            in_use = bool(flags & IN_USE)
        if kind not in HOUSEKEEPING:
            times[when] = None
        position += length
    if position != size and not in_use:
        raise SourceError(f"{label} is truncated")
    return Scanned(tuple(times), kind in (STOP, ROTATE))


def scan_file(path: str) -> Scanned:
    """Reads a log, which may be in a directory of the server. Raises SourceError."""
    with opened(path) as place, os.fdopen(open_file(place.name, place.folder), "rb") as stream:
        return scan(stream, os.fstat(stream.fileno()).st_size, path)


def number(name: str, base: str) -> int:
    """The number of a log; `base` is the beginning of its name. Raises SourceError."""
    match = re.fullmatch(re.escape(base) + r"\.([0-9]{6,18})", name)
    if not match:
        raise SourceError(f"{name!r} is no name of a binary log {base}.NUMBER")
    return int(match[1])


def missing(names: Sequence[str], base: str, first: int) -> list[str]:
    """Logs from number `first` to the last of `names` that are not among them."""
    there = {number(name, base) for name in names}
    return [f"{base}.{item:06}" for item in range(first, max(there, default=0) + 1)
            if item not in there]  # fmt: skip


def read_index(folder: str) -> dict[str, Any]:
    """The index of copied logs; an empty one if there is none."""
    try:
        with open(os.path.join(folder, INDEX), encoding="utf-8") as file:
            index: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return {"logs": {}, "until": None}
    except ValueError:
        raise SourceError(f"{folder}/{INDEX} is damaged") from None
    return index


class Replay(NamedTuple):
    """Logs to be replayed, in order."""

    whole: Sequence[str]
    """Logs with nothing later than the wanted time."""

    part: Sequence[str]
    """Logs that may have something later."""


def plan(
    index: Mapping[str, Any], base: str, first: int, restored: Mapping[str, int], at: float | None
) -> Replay:
    """The logs after a copy, whose position is in log `first`. `restored` are sizes of the files
    that are there. Raises SourceError if a log is missing, or not whole."""
    logs = index["logs"]
    names = sorted((item for item in logs if number(item, base) >= first),
                   key=lambda item: number(item, base))  # fmt: skip
    gone = [*missing(names, base, first), *(item for item in names if item not in restored)]
    if gone:
        raise SourceError(f"binary logs are missing: {', '.join(sorted(set(gone)))}")
    for item in names:
        if restored[item] != logs[item]["size"]:
            raise SourceError(f"{item} has {restored[item]} of {logs[item]['size']} bytes")
    if at is None:
        return Replay(names, ())
    if index["until"] is None or at > index["until"]:
        raise SourceError("the copies end before that time")
    whole = [item for item in names if logs[item]["before"] <= at]
    part = [item for item in names if logs[item]["before"] > at >= logs[item]["after"]]
    return Replay(whole, part)
