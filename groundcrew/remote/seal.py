"""Makes what a build has left root's own: the one way from a build into a release.

A build is hostile. Nothing of it runs any more when this begins, but what it has left can be
anything: links to anywhere, devices, sockets, files of others. So every directory is entered by
descriptor and without following links; only directories, regular files and symbolic links are
taken, the latter as they are and never followed; content is copied, so that no file is shared with
what the build can still write; and owner, group and mode are set anew.

Part of the programs that import it: it is sent with them. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FICLONE = 0x40049409
"""ioctl: shares the blocks of another file until one of both is written (btrfs, XFS)."""
CHUNK = 1 << 24
DEPTH = 200
"""Directories below one another: a build could make so many that this program would break."""


class SealError(Exception):
    """What the build has left cannot be taken; the message says why."""


def seal(source: str, target: str, group: int, sealed: int | None = None) -> None:
    """Copies the tree at `source` to `target`, which must not exist: root's, readable for `group`.

    Files of root's group `sealed` are what an earlier release has brought: they are linked instead,
    since nobody but root can write them. Raises SealError and OSError.
    """
    here = os.open(source, DIRECTORY)
    try:
        os.mkdir(target, 0o700)
        there = os.open(target, DIRECTORY)
        try:
            Sealing(group, sealed).directory(here, there, os.path.basename(target))
            _finish(there, group, 0o750)
        finally:
            os.close(there)
    finally:
        os.close(here)


class Sealing:
    """One tree on its way to root."""

    def __init__(self, group: int, sealed: int | None) -> None:
        self.group = group
        self.sealed = sealed

    def directory(self, here: int, there: int, path: str, depth: int = 0) -> None:
        """Everything in an open directory into another one; `path` is for messages."""
        if depth > DEPTH:
            raise SealError(f"{path[:80]}…: more than {DEPTH} directories below one another")
        with os.scandir(here) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            state = os.stat(name, dir_fd=here, follow_symlinks=False)
            inside = f"{path}/{name}"
            if stat.S_ISDIR(state.st_mode):
                with opened(name, here) as child:
                    os.mkdir(name, 0o700, dir_fd=there)
                    with opened(name, there) as copy:
                        self.directory(child, copy, inside, depth + 1)
                        _finish(copy, self.group, 0o750)
                        os.utime(copy, ns=(state.st_atime_ns, state.st_mtime_ns))
            elif stat.S_ISLNK(state.st_mode):
                os.symlink(os.readlink(name, dir_fd=here), name, dir_fd=there)
            elif stat.S_ISREG(state.st_mode):
                self.file(name, here, there, inside)
            else:
                raise SealError(f"{inside} is neither a file, a directory nor a link")

    def file(self, name: str, here: int, there: int, inside: str) -> None:
        """One regular file."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        source = os.open(name, flags, dir_fd=here)
        try:
            state = os.fstat(source)
            if not stat.S_ISREG(state.st_mode):
                raise SealError(f"{inside} is no regular file any more")
            if state.st_uid == 0:
                # A build owns what it makes. Only what was lent to it is root's.
                mode = stat.S_IMODE(state.st_mode)
                if self.sealed is None or state.st_gid != self.sealed or mode & 0o7027:
                    raise SealError(f"{inside} is root's: a build cannot have made it")
                os.link(name, name, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            target = os.open(name, flags, 0o600, dir_fd=there)
            try:
                copy_content(source, target, state.st_size)
                _finish(target, self.group, 0o750 if state.st_mode & 0o100 else 0o640)
                # Byte code names the time of the source that it was made from.
                os.utime(target, ns=(state.st_atime_ns, state.st_mtime_ns))
            finally:
                os.close(target)
        finally:
            os.close(source)


@contextmanager
def opened(name: str, parent: int) -> Iterator[int]:
    """A directory in another one, itself and not what a link leads to."""
    descriptor = os.open(name, DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _finish(descriptor: int, group: int, mode: int) -> None:
    os.fchown(descriptor, 0, group)
    os.fchmod(descriptor, mode)


def copy_content(source: int, target: int, size: int) -> None:
    """The content of one file to another: shared blocks where the file system can do that."""
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
    """A copy of a finished tree to work in: its directories are the owner's, its files are the
    finished ones themselves, which the owner can read and replace but not write."""
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
    """Names the tree by its files' sizes, times, modes and owners: cheap, and another one when
    somebody or a power cut has damaged it. Raises OSError where it is not there."""
    digest = hashlib.sha256()
    here = os.open(path, DIRECTORY)
    try:
        _mark(here, "", digest)
    finally:
        os.close(here)
    return digest.hexdigest()


def _mark(here: int, path: str, digest: hashlib._Hash) -> None:
    with os.scandir(here) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
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
