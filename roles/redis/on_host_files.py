"""Reads and replaces small files that only root can write.

Runs on the host as root, as part of this role's other programs. Standard library and
`groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import grp
import os
import secrets


def read(path: str) -> str:
    """The text of a file; empty if there is none."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def write(path: str, text: str, group: str) -> None:
    """Replaces a file that only root can write and a group can read, and syncs it to disk."""
    staged = f"{path}.{secrets.token_hex(4)}"
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        os.fchown(file.fileno(), 0, grp.getgrnam(group).gr_gid)
        os.fchmod(file.fileno(), 0o640)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)
    sync(os.path.dirname(path))


def sync(folder: str) -> None:
    """Makes renames and removals in a directory last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
