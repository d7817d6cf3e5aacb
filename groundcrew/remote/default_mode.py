"""The mode of what is made in a directory, whatever the umask of who makes it: its default ACL,
with entries for owner, group and others only.

Part of the programs that import it: it is sent with them. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import os
import stat
import struct

ATTRIBUTE = "system.posix_acl_default"
VERSION = struct.pack("<I", 2)
ENTRY = struct.Struct("<HHI")
TAGS = (0x01, 0x04, 0x20)  # ACL_USER_OBJ, ACL_GROUP_OBJ, ACL_OTHER
NOBODY = 0xFFFFFFFF


def default_mode(path: str) -> str | None:
    """The mode as four octal digits; None where there is none, or more than one."""
    try:
        data = os.getxattr(path, ATTRIBUTE)
    except OSError:
        return None
    entries = list(ENTRY.iter_unpack(data[len(VERSION) :]))
    if tuple(tag for tag, _, _ in entries) != TAGS:
        return None
    user, group, other = (bits for _, bits, _ in entries)
    return f"{user << 6 | group << 3 | other:04o}"


def set_default_mode(place: str | int, mode: int) -> None:
    """Sets it for a directory, given by path or descriptor. Raises OSError."""
    bits = (mode >> 6 & 7, mode >> 3 & 7, mode & 7)
    entries = (ENTRY.pack(tag, bit, NOBODY) for tag, bit in zip(TAGS, bits))  # noqa: B905
    os.setxattr(place, ATTRIBUTE, VERSION + b"".join(entries))


def adopt(path: str, group: int, mode: int) -> None:
    """Gives what is in a directory already the group and mode that it would get now.

    Its owner may be at work there meanwhile: nothing is followed out of it.
    """
    for _, folders, names, here in os.fwalk(path, follow_symlinks=False):
        for name in [*folders, *names]:
            try:
                item = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
            except OSError:
                continue
            try:
                kind = os.fstat(item).st_mode
                if stat.S_ISDIR(kind):
                    os.fchown(item, -1, group)
                    os.fchmod(item, stat.S_ISGID | mode)
                    set_default_mode(item, mode)
                elif stat.S_ISREG(kind):
                    os.fchown(item, -1, group)
                    os.fchmod(item, mode & 0o666)
            finally:
                os.close(item)
