"""The mode and group access of new files in a directory, regardless of their creator's umask: its
default ACL. The directory's group has its own entry, so that its access survives if the
set-group-id bit of a subdirectory is cleared (as a plain chmod does).

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import os
import stat
import struct

ATTRIBUTE = "system.posix_acl_default"
VERSION = struct.pack("<I", 2)
ENTRY = struct.Struct("<HHI")
USER_OBJ, GROUP_OBJ, GROUP, MASK, OTHER = 0x01, 0x04, 0x08, 0x10, 0x20
NOBODY = 0xFFFFFFFF
DEEPEST = 200
"""Maximum depth of nested directories, each of which stays open."""


def default_mode(place: str | int) -> str | None:
    """The default mode of a directory, given by path or descriptor, as four octal digits; None if
    it has none, or another ACL."""
    try:
        data = os.getxattr(place, ATTRIBUTE)
        entries = {tag: bits for tag, bits, _ in ENTRY.iter_unpack(data[len(VERSION) :])}
        mode = entries[USER_OBJ] << 6 | entries[GROUP_OBJ] << 3 | entries[OTHER]
        return f"{mode:04o}" if data == acl(mode, os.stat(place).st_gid) else None
    except (OSError, KeyError, struct.error):
        return None


def set_default_mode(place: str | int, mode: int) -> None:
    """Sets the default mode of a directory, given by path or descriptor. Raises OSError."""
    os.setxattr(place, ATTRIBUTE, acl(mode, os.stat(place).st_gid))


def acl(mode: int, group: int) -> bytes:
    """The default ACL in the kernel's format, for a directory with the given group."""
    user, members, other = mode >> 6 & 7, mode >> 3 & 7, mode & 7
    entries = (
        (USER_OBJ, user, NOBODY),
        (GROUP_OBJ, members, NOBODY),
        (GROUP, members, group),
        (MASK, members, NOBODY),
        (OTHER, other, NOBODY),
    )
    return VERSION + b"".join(ENTRY.pack(*entry) for entry in entries)


def adopt(directory: int, group: int, mode: int) -> None:
    """Gives existing files in a directory the group and mode that new ones would get.

    The owner may change the directory meanwhile: links are not followed, and another user's file
    with more than one hard link is left alone. Raises OSError.
    """
    owner = os.fstat(directory).st_uid

    def adopt_in(folder: int, depth: int) -> None:
        if depth > DEEPEST:
            raise OSError(f"more than {DEEPEST} directories in one another")
        for name in os.listdir(folder):
            try:
                item = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            except OSError:
                continue
            try:
                state = os.fstat(item)
                if stat.S_ISDIR(state.st_mode):
                    os.fchown(item, -1, group)
                    os.fchmod(item, stat.S_ISGID | mode)
                    set_default_mode(item, mode)
                    adopt_in(item, depth + 1)
                elif stat.S_ISREG(state.st_mode) and (state.st_nlink == 1 or state.st_uid == owner):
                    os.fchown(item, -1, group)
                    os.fchmod(item, mode & 0o666)
            finally:
                os.close(item)

    adopt_in(directory, 1)
