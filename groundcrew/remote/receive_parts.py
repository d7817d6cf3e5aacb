"""Unpacks parts of a release that another host has built.

The archive has passed through others and contains what a build has made, which is hostile. So root
only compares its SHA-256 with that of the builder. It is unpacked as a build works: as the build
user, in the sandbox of builds, into directories that nobody else can enter. What comes out of it
becomes a part as any result of a build does (groundcrew/remote/seal.py).

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

from groundcrew.remote.build_unit import Unit
from groundcrew.remote.parts import is_part

BLOCK = 1 << 20
INSIDE = "/srv/parts"
"""Where the unit sees the directory into which it unpacks."""
ARCHIVE = "/srv/parts.tar.gz"
TAR = (
    *("tar", "--extract", "--gzip", f"--file={ARCHIVE}", f"--directory={INSIDE}"),
    *("--no-same-owner", "--no-same-permissions", "--warning=no-timestamp"),
)


class ReceivedError(Exception):
    """What was received is refused; the message says why."""


def require_digest(path: str, sha256: str) -> None:
    """Raises ReceivedError if the file's SHA-256 is not `sha256`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ReceivedError("what has arrived is no file")
        digest = hashlib.sha256()
        while block := file.read(BLOCK):
            digest.update(block)
        if digest.hexdigest() != sha256:
            raise ReceivedError(
                f"what has arrived is not what was built, and nothing of it was unpacked: its "
                f"SHA-256 is {digest.hexdigest()} and not {sha256}; run again"
            )
        os.fchmod(descriptor, 0o644)


def unpack(
    unit: Unit, received: dict[str, Any], place: Path, owner: tuple[int, int]
) -> dict[str, Path]:
    """Unpacks an archive below `place`, which only root can change; returns the directory of each
    part, owned by the build user.

    `received` is as in groundcrew/remote/build_release.py. Raises ReceivedError, StepsFailedError,
    RunIsGoneError and OSError.
    """
    require_digest(received["archive"], received["sha256"])
    _passage(place, owner[1])
    folders = {}
    for name in received["parts"]:
        if not is_part(name):
            raise ReceivedError(f"{name[:80]!r} is no name of a part")
        folders[name] = place / name
        # Only the part's own directory is the build user's: no other one can become a link.
        if not folders[name].parent.exists():
            _passage(folders[name].parent, owner[1])
        folders[name].mkdir(mode=0o700)
        os.chown(folders[name], *owner)
    unit.steps(list(TAR), {}, binds={str(place): INSIDE}, shown={received["archive"]: ARCHIVE})
    return folders


def _passage(path: Path, group: int) -> None:
    """Creates a directory that the group can read, and only root can change."""
    path.mkdir(mode=0o700)
    os.chown(path, 0, group)
    path.chmod(0o750)
