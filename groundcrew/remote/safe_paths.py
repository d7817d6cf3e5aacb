"""Paths on which others than root may be at work, opened so that nobody leads root elsewhere.

A directory is opened component by component, each in the one before, and what is done in it goes by
its descriptor and a name: whatever is put in its place meanwhile, nothing else is touched. A
symbolic link on the way is followed only where root alone can have made it: it is root's, and so is
its directory, in which nobody else can write (or only beside root's own, as in /tmp). Who runs this
counts as root.

Part of the programs that import it: it is sent with them. Standard library only, Python 3.9 or
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
"""Opens what has a name, be it a link, a pipe or a device, and does nothing with it."""
MOST_LINKS = 40


class UnsafePathError(OSError):
    """Others than root decide where a path leads, or what is there; the message says how."""


def by_descriptor(descriptor: int) -> str:
    """A path of what is opened, for calls that take no descriptor."""
    return f"/proc/self/fd/{descriptor}"


def where(descriptor: int, name: str = "") -> str:
    """Where what is opened is, to be shown."""
    return printable(os.path.join(os.readlink(by_descriptor(descriptor)), name).rstrip("/"))


def is_ours(state: os.stat_result) -> bool:
    """Whether root alone can change it, of a directory what is in it."""
    return state.st_uid in (0, os.geteuid()) and not state.st_mode & 0o022


def is_our_own(item: os.stat_result, folder: os.stat_result) -> bool:
    """Whether it is root's, in a directory where root alone could have made or can replace it."""
    users = (0, os.geteuid())
    sticky = folder.st_uid in users and folder.st_mode & stat.S_ISVTX
    return item.st_uid in users and bool(is_ours(folder) or sticky)


def read_link(name: str, folder: int) -> str | None:
    """Where the link `name` leads to; None where it is none. Raises UnsafePathError for one that
    others can have made."""
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
    """The directories on the way to one, from `/` on. Raises OSError.

    A relative path begins where `start` ends, else in the working directory; with `create`,
    directories that are missing are made with that mode.
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
        """Goes on into a directory. Raises OSError, NotADirectoryError for a link to one."""
        self.opened.append(os.open(name, ITSELF | os.O_DIRECTORY, dir_fd=self.end))

    @property
    def end(self) -> int:
        """The directory that the path names."""
        return self.opened[-1]

    @property
    def ours(self) -> bool:
        """Whether root alone can change what is on the way, and at its end."""
        states = [os.fstat(item) for item in self.opened]
        return is_ours(states[-1]) and all(
            is_ours(states[number - 1]) or is_our_own(states[number], states[number - 1])
            for number in range(1, len(states))
        )

    def passes(self, directory: int) -> bool:
        """Whether it leads through a directory, or to it."""
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
    """The components of a path that goes on from where a way is, the last one first."""
    if path.startswith("/"):
        way.rewind()
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


class Place(NamedTuple):
    """A name in a directory that is open."""

    path: str
    """As it was asked for."""
    name: str
    folder: int
    ours: bool
    """Whether root alone can change what is on the way: the path still leads here later."""

    def sibling(self, name: str) -> Place:
        """Another name in the same directory."""
        path = os.path.join(os.path.dirname(self.path), name)
        return Place(path, name, self.folder, self.ours)

    @property
    def reliable(self) -> str:
        """A path for other programs, which leads here as long as this one runs."""
        return self.path if self.ours else f"/proc/{os.getpid()}/fd/{self.folder}/{self.name}"

    @property
    def state(self) -> os.stat_result | None:
        """What is there, a link itself; None for nothing."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def read(self) -> tuple[bytes, os.stat_result]:
        """A file's content, and the state that goes with it. Raises OSError; UnsafePathError for
        what is no file."""
        descriptor = open_file(self.name, self.folder)
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(), os.fstat(descriptor)


def open_file(name: str, folder: int) -> int:
    """A descriptor to read a file by. Raises OSError; UnsafePathError for what is no file."""
    item = os.open(name, ITSELF, dir_fd=folder)
    try:
        return readable(item)
    finally:
        os.close(item)


def readable(item: int) -> int:
    """The same for what is opened as `ITSELF`: a pipe or a device is not even opened."""
    if not stat.S_ISREG(os.fstat(item).st_mode):
        raise UnsafePathError(f"{where(item)} is not a file")
    return os.open(by_descriptor(item), os.O_RDONLY | os.O_NONBLOCK)


class Folders:
    """The directories of several paths: each is opened once, and stays the same from then on."""

    def __init__(self) -> None:
        self.ways: dict[str, Way] = {}

    def place(self, path: str, within: str | None = None, create: int | None = None) -> Place:
        """Where a path leads, itself not followed. Raises OSError, FileNotFoundError without its
        directory; UnsafePathError where links lead to it that are not root's, or that lead out of
        the directory `within`. `create` is as for `Way`."""
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
        """Makes what was renamed in them survive a power cut."""
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
    """Where one path leads, see `Folders.place`."""
    folders = Folders()
    try:
        yield folders.place(path, create=create)
    finally:
        folders.close()
