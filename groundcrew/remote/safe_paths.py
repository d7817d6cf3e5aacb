"""Opens paths that users other than root may change, so that they cannot redirect root.

A directory is opened component by component, each relative to the one before, and all work in it
uses its descriptor and a name: if the directory is replaced meanwhile, the replacement is not
touched. A symbolic link on the way is followed only if root alone can have created it: root owns
the link and its directory, and no one else can write there (or the directory is sticky, as /tmp
is). The user who runs this program counts as root.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import NamedTuple

from groundcrew.remote.printable import printable

ITSELF = os.O_PATH | os.O_NOFOLLOW
"""Flags that open the entry itself, even a link, pipe or device, without any effect on it."""
MOST_LINKS = 40


class UnsafePathError(OSError):
    """Users other than root control where a path points or what it contains; the message says
    how."""


def by_descriptor(descriptor: int) -> str:
    """A path for an open descriptor, for calls that take no descriptor."""
    return f"/proc/self/fd/{descriptor}"


def where(descriptor: int, name: str = "") -> str:
    """The path of an open descriptor, for messages."""
    return printable(os.path.join(os.readlink(by_descriptor(descriptor)), name).rstrip("/"))


def is_ours(state: os.stat_result) -> bool:
    """Whether only root can change the file, or the entries of the directory."""
    return state.st_uid in (0, os.geteuid()) and not state.st_mode & 0o022


def is_our_own(item: os.stat_result, folder: os.stat_result) -> bool:
    """Whether root owns the entry, and no other user could have created it or can replace it."""
    users = (0, os.geteuid())
    sticky = folder.st_uid in users and folder.st_mode & stat.S_ISVTX
    return item.st_uid in users and bool(is_ours(folder) or sticky)


def read_link(name: str, folder: int) -> str | None:
    """The target of the link `name`; None if it is not a link. Raises UnsafePathError for a link
    that others can have created."""
    item = os.open(name, ITSELF, dir_fd=folder)
    try:
        state = os.fstat(item)
        if not stat.S_ISLNK(state.st_mode):
            return None
        if not is_our_own(state, os.fstat(folder)):
            raise UnsafePathError(
                f"{where(folder, name)} is a link that others than root can make or change"
            )
        return os.readlink("", dir_fd=item)
    finally:
        os.close(item)


class Way:
    """The open directories from `/` to the one that a path names. Raises OSError.

    A relative path starts at the end of `start`, else in the working directory. With `create`,
    missing directories are created with that mode.
    """

    opened: list[int]

    def __init__(self, path: str, start: Way | None = None, create: int | None = None) -> None:
        if not start and not path.startswith("/"):
            path = os.path.join(os.getcwd(), path)
        self.opened = [os.dup(item) for item in start.opened] if start else [os.open("/", ITSELF)]
        try:
            self._go(path, create)
        except BaseException:
            self.close()
            raise

    def _go(self, path: str, create: int | None) -> None:
        parts = _parts(path, self)
        links = 0
        while parts:
            part = parts.pop()
            if part == "..":
                if len(self.opened) > 1:
                    os.close(self.opened.pop())
                continue
            try:
                self.enter(part)
            except FileNotFoundError:
                if create is None:
                    raise
                with suppress(FileExistsError):
                    os.mkdir(part, create, dir_fd=self.end)
                parts.append(part)
            except NotADirectoryError:
                target = read_link(part, self.end)
                links += 1
                if target is None or links > MOST_LINKS:
                    raise
                parts += _parts(target, self)

    def enter(self, name: str) -> None:
        """Enters a directory. Raises OSError, NotADirectoryError for a link to one."""
        self.opened.append(os.open(name, ITSELF | os.O_DIRECTORY, dir_fd=self.end))

    @property
    def end(self) -> int:
        """The directory that the path names."""
        return self.opened[-1]

    @property
    def ours(self) -> bool:
        """Whether only root can change the directories on the way and the entries of the last
        one."""
        states = [os.fstat(item) for item in self.opened]
        return is_ours(states[-1]) and all(
            is_ours(states[number - 1]) or is_our_own(states[number], states[number - 1])
            for number in range(1, len(states))
        )

    def passes(self, directory: int) -> bool:
        """Whether the way leads through a directory or to it."""
        state = os.fstat(directory)
        return any(os.path.samestat(state, os.fstat(item)) for item in self.opened)

    def rewind(self) -> None:
        """Goes back to `/`."""
        while len(self.opened) > 1:
            os.close(self.opened.pop())

    def close(self) -> None:
        """Closes all descriptors."""
        while self.opened:
            os.close(self.opened.pop())

    def __enter__(self) -> Way:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _parts(path: str, way: Way) -> list[str]:
    """The components of a path that continues a way, in reverse order."""
    if path.startswith("/"):
        way.rewind()
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


class Place(NamedTuple):
    """A name in a directory that is open."""

    path: str
    """The path as requested."""
    name: str
    folder: int
    ours: bool
    """Whether only root can change the way, so that the path still leads here later."""

    def sibling(self, name: str) -> Place:
        """Another name in the same directory."""
        path = os.path.join(os.path.dirname(self.path), name)
        return Place(path, name, self.folder, self.ours)

    @property
    def reliable(self) -> str:
        """A path for other programs that leads here as long as this program runs."""
        return self.path if self.ours else f"/proc/{os.getpid()}/fd/{self.folder}/{self.name}"

    @property
    def state(self) -> os.stat_result | None:
        """The state of the entry, without following a link; None if there is none."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def read(self) -> tuple[bytes, os.stat_result]:
        """A file's content and state. Raises OSError; UnsafePathError for anything but a regular
        file."""
        descriptor = open_file(self.name, self.folder)
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(), os.fstat(descriptor)


def open_file(name: str, folder: int) -> int:
    """Opens a file for reading, and returns the descriptor. Raises OSError; UnsafePathError for
    anything but a regular file."""
    item = os.open(name, ITSELF, dir_fd=folder)
    try:
        return readable(item)
    finally:
        os.close(item)


def readable(item: int) -> int:
    """Reopens a file that was opened with `ITSELF` for reading. Raises UnsafePathError for anything
    but a regular file: a pipe or a device is never opened."""
    if not stat.S_ISREG(os.fstat(item).st_mode):
        raise UnsafePathError(f"{where(item)} is not a file")
    return os.open(by_descriptor(item), os.O_RDONLY | os.O_NONBLOCK)


class Folders:
    """The directories of several paths; each is opened only once."""

    def __init__(self) -> None:
        self.ways: dict[str, Way] = {}

    def place(self, path: str, within: str | None = None, create: int | None = None) -> Place:
        """The place that a path refers to, without following a link at its end. Raises OSError:
        FileNotFoundError if its directory does not exist, UnsafePathError if links on the way are
        not root's or lead out of the directory `within`. `create` is as for `Way`."""
        directory, name = os.path.split(path.rstrip("/"))
        if name in ("", ".", ".."):
            raise UnsafePathError(f"{path} names nothing in a directory")
        if directory not in self.ways:
            self.ways[directory] = Way(directory, create=create)
        way = self.ways[directory]
        if within is not None:
            with Way(within) as root:
                if not way.passes(root.end):
                    raise UnsafePathError(f"{path}: a link leads out of {within}")
        return Place(path.rstrip("/"), name, way.end, way.ours)

    def sync(self) -> None:
        """Syncs the directories, so that renames in them survive a power cut."""
        for way in self.ways.values():
            descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=way.end)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Closes all descriptors."""
        for way in self.ways.values():
            way.close()
        self.ways.clear()


@contextmanager
def opened(path: str, create: int | None = None) -> Iterator[Place]:
    """The place that one path refers to, see `Folders.place`."""
    folders = Folders()
    try:
        yield folders.place(path, create=create)
    finally:
        folders.close()
