"""The repository of pgBackRest: what is in it, and whether something is missing.

Runs on the host as root, as part of this role's other programs. The repository belongs to postgres,
so that postgres and not root works in it. Standard library and `groundcrew.remote` only, Python 3.9
or later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import count
from typing import Any, NamedTuple

from groundcrew.remote.backup_source import COPIES, SourceError
from groundcrew.roles.postgresql.on_host_commands import as_postgres
from groundcrew.roles.postgresql.on_host_server import ServerError, data_directory

Data = dict[str, Any]
REPOSITORY = f"{COPIES}/postgresql"
STANZA = "main"
NOTE = "saved.json"
"""File in the repository that says what has been saved last."""
SEGMENT = re.compile(r"([0-9A-F]{24})(-[0-9a-f]{40}(\.[a-z0-9]+)?)?")


class Repository(NamedTuple):
    """A repository, and the data that it is for."""

    configuration: str
    folder: str
    data: str

    def command(self) -> list[str]:
        """The command to which options and a verb of pgBackRest can be added."""
        return ["pgbackrest", f"--config={self.configuration}", f"--stanza={STANZA}"]

    def run(self, *arguments: str) -> str:
        """The output of pgBackRest. Raises SourceError with its messages."""
        # As an argument, pgBackRest would refuse it for what does not need it.
        more = {"PGBACKREST_PG1_PATH": self.data}
        try:
            return as_postgres(*self.command(), *arguments, more=more)
        except ServerError as error:
            raise SourceError(str(error)) from error

    def state(self) -> Data:
        """What pgBackRest says about the repository."""
        stanzas: list[Data] = json.loads(self.run("info", "--output=json"))
        return stanzas[0]

    def note(self) -> Data:
        """What was saved last; empty if nothing was."""
        path = f"{self.folder}/{NOTE}"
        try:
            told = as_postgres("head", "-c", "10000", "--", path)
        except ServerError:
            return {}
        note: Data = json.loads(told)
        return note

    def write_note(self, note: Data) -> None:
        """Stores what has been saved."""
        path = f"{self.folder}/{NOTE}"
        as_postgres("dd", "status=none", "conv=fsync", f"of={path}.new", text=json.dumps(note))
        as_postgres("mv", "--no-target-directory", "--", f"{path}.new", path)

    def has_stanza(self) -> bool:
        """Whether WAL can be archived."""
        path = f"{self.folder}/archive/{STANZA}/archive.info"
        try:
            as_postgres("test", "-e", path)
        except ServerError:
            return False
        return True

    def segments(self, archive: str) -> set[str]:
        """Names of the WAL segments that are in the archive `archive` (`15-1`)."""
        folder = f"{self.folder}/archive/{STANZA}/{archive}"
        try:
            told = as_postgres("find", "-P", folder, "-type", "f", "-printf", "%f\\n")
        except ServerError:
            return set()
        return segments_in(told.splitlines())


def live_repository(request: Data) -> Repository:
    """The repository of this host's server."""
    return Repository(request["backup"], REPOSITORY, data_directory())


def segments_in(files: Iterable[str]) -> set[str]:
    """Names of the WAL segments that files of an archive contain."""
    matches = (SEGMENT.fullmatch(name) for name in files)
    return {match.group(1) for match in matches if match}


def number(segment: str, size: int) -> int:
    """Number of a WAL segment, regardless of its timeline. `size` is that of segments."""
    return int(segment[8:16], 16) * ((1 << 32) // size) + int(segment[16:], 16)


def segment_name(timeline: int, position: int, size: int) -> str:
    """Name of the WAL segment with the byte at a position."""
    log, part = divmod(position // size, (1 << 32) // size)
    return f"{timeline:08X}{log:08X}{part:08X}"


def position_of(lsn: str) -> int:
    """A position in the WAL as a number."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def missing(present: Iterable[str], first: str, last: str, size: int) -> tuple[int, str]:
    """How many segments are missing between two, both included, and the name of the first one."""
    begin, end = number(first, size), number(last, size)
    numbers = {item for item in (number(name, size) for name in present) if begin <= item <= end}
    gap = next(item for item in count(begin) if item not in numbers)
    return end - begin + 1 - len(numbers), segment_name(int(last[:8], 16), gap * size, size)


def refuse_gaps(present: set[str], first: str, last: str, size: int) -> None:
    """Raises SourceError if WAL segments are missing between two, both included."""
    number_of, name = missing(present, first, last, size)
    if number_of > 0:
        raise SourceError(
            f"{number_of} WAL segments between {first} and {last} are missing, first {name}: "
            "what was committed from then on cannot be restored until there is another backup"
        )


def archive_of(state: Data, database: int) -> tuple[str, str | None]:
    """Name of the archive of a database of the repository, and its newest WAL segment."""
    for item in state.get("archive", []):
        if item["database"]["id"] == database:
            return item["id"], item["max"]
    version = next(item["version"] for item in state["db"] if item["id"] == database)
    return f"{version}-{database}", None


def repository_differences(request: Data) -> list[str]:
    """What keeps the server from archiving."""
    if request.get("backup") and not live_repository(request).has_stanza():
        return ["nothing can be archived yet"]
    return []


def set_up_repository(request: Data) -> None:
    """Makes what archiving needs, unless it is there."""
    if repository_differences(request):
        live_repository(request).run("stanza-create")
