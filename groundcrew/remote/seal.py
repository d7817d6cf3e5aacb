"""Transfers a build's result to root: the only way from a build into a release.

A build is hostile. None of its processes run any more at this point, but its result may contain
anything: links to anywhere, devices, sockets, files of other users. Every directory is therefore
entered by descriptor, without following links. Only directories, regular files and symbolic links
are accepted, the latter unchanged and never followed. Content is copied, so that no file is shared
with one that the build can still write, and owner, group and mode are set anew.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FICLONE = 0x40049409
"""ioctl that shares the blocks of another file until either is written (btrfs, XFS)."""
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CHUNK = 1 << 24
COMPARED = 1 << 20
CACHE = "__pycache__"
HASHED = 1
"""Bit in the fifth byte of bytecode: it is validated by the source's hash, not its time (PEP
552)."""
DEPTH = 200
"""Maximum depth of nested directories: a build could create enough to break this program."""


class SealError(Exception):
    """The build's result cannot be accepted; the message says why."""


def seal(
    source: str,
    target: str,
    group: int,
    sealed: int | None = None,
    earlier: Sequence[str] = (),
) -> None:
    """Copies the tree at `source` to `target`, which must not exist. The copy is owned by root and
    readable for `group`.

    Files of root with the group `sealed` come from an earlier release: they are hard-linked
    instead, since only root can write them. A file with the same path and content in an `earlier`
    sealed tree is linked to that one, which saves disk space. Raises SealError and OSError.
    """
    here = os.open(source, DIRECTORY)
    try:
        os.mkdir(target, 0o700)
        there = os.open(target, DIRECTORY)
        try:
            with _all_open(earlier) as others:
                Sealing(group, sealed).directory(
                    here, there, os.path.basename(target), others=others
                )
            _finish(there, group, 0o750)
        finally:
            os.close(there)
    finally:
        os.close(here)


class Sealing:
    """The transfer of one tree to root."""

    def __init__(self, group: int, sealed: int | None) -> None:
        self.group = group
        self.sealed = sealed

    def directory(
        self, here: int, there: int, path: str, depth: int = 0, others: Sequence[int] = ()
    ) -> None:
        """Transfers everything in an open directory to another one. `path` is for messages,
        `others` are the same directory in earlier trees. Raises SealError and OSError."""
        if depth > DEPTH:
            raise SealError(f"{path[:80]}…: more than {DEPTH} directories below one another")
        with os.scandir(here) as entries:
            names = sorted(entry.name for entry in entries)
        timed = _timed(here) if others and CACHE in names else frozenset()
        for name in names:
            state = os.stat(name, dir_fd=here, follow_symlinks=False)
            inside = f"{path}/{name}"
            if stat.S_ISDIR(state.st_mode):
                with opened(name, here) as child:
                    os.mkdir(name, 0o700, dir_fd=there)
                    with opened(name, there) as copy, _all_open([name], others) as known:
                        self.directory(child, copy, inside, depth + 1, known)
                        _finish(copy, self.group, 0o750)
                        os.utime(copy, ns=(state.st_atime_ns, state.st_mtime_ns))
            elif stat.S_ISLNK(state.st_mode):
                os.symlink(os.readlink(name, dir_fd=here), name, dir_fd=there)
            elif stat.S_ISREG(state.st_mode):
                self.file(name, here, there, inside, [] if name in timed else others)
            else:
                raise SealError(f"{inside} is neither a file, a directory nor a link")

    def file(
        self, name: str, here: int, there: int, inside: str, others: Sequence[int] = ()
    ) -> None:
        """Transfers one regular file. Raises SealError and OSError."""
        source = os.open(name, FILE, dir_fd=here)
        try:
            state = os.fstat(source)
            if not stat.S_ISREG(state.st_mode):
                raise SealError(f"{inside} is no regular file any more")
            if state.st_uid == 0:
                # A build owns the files that it creates. Only files lent to it are root's.
                mode = stat.S_IMODE(state.st_mode)
                if self.sealed is None or state.st_gid != self.sealed or mode & 0o7027:
                    raise SealError(f"{inside} is root's: a build cannot have made it")
                os.link(name, name, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
                return
            if any(self.linked(name, source, state, other, there) for other in others):
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            target = os.open(name, flags, 0o600, dir_fd=there)
            try:
                copy_content(source, target, state.st_size)
                _finish(target, self.group, _mode(state))
                # Bytecode records the time of its source.
                os.utime(target, ns=(state.st_atime_ns, state.st_mtime_ns))
            finally:
                os.close(target)
        finally:
            os.close(source)

    def linked(self, name: str, source: int, state: os.stat_result, other: int, there: int) -> bool:
        """Links the file from an earlier tree's directory `other` if it is the same; returns
        whether it was."""
        try:
            known = os.open(name, FILE, dir_fd=other)
        except OSError:
            return False
        try:
            earlier = os.fstat(known)
            alike = (
                stat.S_ISREG(earlier.st_mode)
                and (earlier.st_uid, earlier.st_gid) == (0, self.group)
                and stat.S_IMODE(earlier.st_mode) == _mode(state)
                and earlier.st_size == state.st_size
            )
            if not alike or not _same_content(known, source):
                return False
            os.link(name, name, src_dir_fd=other, dst_dir_fd=there, follow_symlinks=False)
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            return False
        finally:
            os.close(known)
        return True


def _timed(folder: int) -> frozenset[str]:
    """Python files with bytecode that records their time, which would be invalid with another time.
    Builds compile bytecode without times."""
    names = set()
    with suppress(OSError), opened(CACHE, folder) as cache, os.scandir(cache) as entries:
        for name in [entry.name for entry in entries if entry.name.endswith(".pyc")]:
            with suppress(OSError):
                descriptor = os.open(name, FILE, dir_fd=cache)
                try:
                    header = os.pread(descriptor, 8, 0)
                    if len(header) < 8 or not header[4] & HASHED:
                        names.add(f"{name.partition('.')[0]}.py")
                finally:
                    os.close(descriptor)
    return frozenset(names)


def _same_content(one: int, other: int) -> bool:
    place = 0
    while True:
        ours, theirs = os.pread(one, COMPARED, place), os.pread(other, COMPARED, place)
        if ours != theirs:
            return False
        if not ours:
            return True
        place += len(ours)


@contextmanager
def _all_open(names: Sequence[str], parents: Sequence[int] | None = None) -> Iterator[list[int]]:
    """Opens the directories with these names that exist, in each of `parents` if given."""
    descriptors: list[int] = []
    try:
        for parent in [None] if parents is None else parents:
            for name in names:
                with suppress(OSError):
                    descriptors.append(os.open(name, DIRECTORY, dir_fd=parent))
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


@contextmanager
def opened(name: str, parent: int) -> Iterator[int]:
    """Opens a directory in another one; links are not followed."""
    descriptor = os.open(name, DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _mode(state: os.stat_result) -> int:
    """A file's mode once root owns it."""
    return 0o750 if state.st_mode & 0o100 else 0o640


def _finish(descriptor: int, group: int, mode: int) -> None:
    os.fchown(descriptor, 0, group)
    os.fchmod(descriptor, mode)


def copy_content(source: int, target: int, size: int) -> None:
    """Copies a file's content to another file; blocks are shared if the file system supports it."""
    if not size:
        return
    try:
        fcntl.ioctl(target, FICLONE, source)
        return
    except OSError:
        pass
    done = 0
    while True:
        try:
            moved = os.sendfile(target, source, done, CHUNK)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS) or done:
                raise
            with os.fdopen(os.dup(source), "rb") as reader:
                while chunk := reader.read(CHUNK):
                    os.write(target, chunk)
            return
        if not moved:
            return
        done += moved


def lend(source: str, target: str, owner: int, group: int) -> None:
    """Creates a working copy of a finished tree. The owner owns its directories; its files are hard
    links to the finished ones, which the owner can read and replace but not write."""
    here = os.open(source, DIRECTORY)
    try:
        os.mkdir(target, 0o700)
        there = os.open(target, DIRECTORY)
        try:
            _link(here, there, owner, group)
        finally:
            os.close(there)
    finally:
        os.close(here)


def _link(here: int, there: int, owner: int, group: int) -> None:
    for entry in list(os.scandir(here)):
        if entry.is_dir(follow_symlinks=False):
            os.mkdir(entry.name, 0o700, dir_fd=there)
            with opened(entry.name, here) as child, opened(entry.name, there) as copy:
                _link(child, copy, owner, group)
        else:
            os.link(
                entry.name, entry.name, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False
            )
    os.fchown(there, owner, group)
    os.fchmod(there, 0o750)


def fingerprint(path: str) -> str:
    """A digest of the sizes, times, modes and owners of a tree's files: cheap, and different after
    damage or manual changes. Raises OSError if the tree does not exist."""
    digest = hashlib.sha256()
    here = os.open(path, DIRECTORY)
    try:
        _mark(here, "", digest)
    finally:
        os.close(here)
    return digest.hexdigest()


def _mark(here: int, path: str, digest: hashlib._Hash) -> None:
    with os.scandir(here) as entries:
        in_order = sorted(entries, key=lambda entry: entry.name)
    for entry in in_order:
        state = entry.stat(follow_symlinks=False)
        inside = f"{path}/{entry.name}"
        if stat.S_ISDIR(state.st_mode):
            digest.update(f"{inside}/ {state.st_mode:o}\0".encode(errors="surrogateescape"))
            with opened(entry.name, here) as child:
                _mark(child, inside, digest)
        elif stat.S_ISLNK(state.st_mode):
            lead = os.readlink(entry.name, dir_fd=here)
            digest.update(f"{inside} -> {lead}\0".encode(errors="surrogateescape"))
        else:
            text = f"{inside} {state.st_mode:o} {state.st_uid} {state.st_size} {state.st_mtime_ns}"
            digest.update(f"{text}\0".encode(errors="surrogateescape"))
