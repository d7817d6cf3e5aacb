"""Packs finished parts of releases into an archive for other hosts.

Runs on the host as root, as `python3 -c SCRIPT` with a JSON payload on stdin: {"name", "parts":
["environments/KEY" or "code/KEY"], "directory": private directory of the connected user, who gets
the archive}. Prints one line of JSON: {"path", "size": bytes, "sha256"}. Damaged parts are not
packed: the exit status is 1, and the reason is on stderr.

Parts are owned by root, so nothing changes while they are read. Their content comes from a build,
which is hostile: links are packed as links, and the receiver trusts nothing in the archive (see
groundcrew/remote/receive_parts.py). Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundcrew.remote.parts import CONTENT, DamagedError, check, is_part
from groundcrew.remote.seal import DIRECTORY

if TYPE_CHECKING:
    # Types of the reports, shared with the facts; never sent to a host.
    from groundcrew.facts.parts import Packed

SRV = Path("/srv")
ARCHIVE = "parts.tar.gz"
BLOCK = 1 << 20
CHANGED = 1
"""Exit status of tar if something about a file changed while it was read, if only its number of
links."""
TAR = (
    *("tar", "--create", "--format=posix", "--sort=name"),
    *("--numeric-owner", "--owner=0", "--group=0", "--pax-option=delete=atime,delete=ctime"),
)


class PackError(Exception):
    """The parts cannot be packed; the message says why."""


def require(root: Path, parts: list[str]) -> None:
    """Raises PackError unless all parts are there and intact."""
    for name in parts:
        try:
            if not is_part(name) or not check(root / name):
                raise PackError(f"{root / name} is not there")
        except DamagedError as error:
            raise PackError(str(error)) from None


def members(root: Path, parts: list[str]) -> list[str]:
    """What the archive contains: the known entries of the parts, without notes about this host."""
    return [
        f"{part}/{name}"
        for part in parts
        for name in CONTENT[part.partition("/")[0]]
        if os.path.lexists(root / part / name)
    ]


def pack(asked: dict[str, Any]) -> Packed:
    """Writes the archive. Raises PackError and OSError."""
    root, parts = SRV / asked["name"], asked["parts"]
    require(root, parts)
    folder = os.open(asked["directory"], DIRECTORY)
    try:
        owner = os.fstat(folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(ARCHIVE, flags, 0o600, dir_fd=folder), "wb") as target:
            size, digest, status = _write(root, members(root, parts), target)
            os.fchown(target.fileno(), owner.st_uid, owner.st_gid)
    finally:
        os.close(folder)
    if status == CHANGED:
        require(root, parts)
    return {"path": f"{asked['directory']}/{ARCHIVE}", "size": size, "sha256": digest}


def _write(root: Path, names: list[str], target: Any) -> tuple[int, str, int]:
    """Size and SHA-256 of the archive, and tar's exit status."""
    digest = hashlib.sha256()
    size = 0
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    with (
        subprocess.Popen(
            [*TAR, f"--directory={root}", *names], stdout=subprocess.PIPE, env=environment
        ) as tar,
        subprocess.Popen(
            ["gzip", "-n", "-1"], stdin=tar.stdout, stdout=subprocess.PIPE, env=environment
        ) as gzip,
    ):
        assert tar.stdout and gzip.stdout
        # Else tar would not notice that gzip has ended.
        tar.stdout.close()
        while block := gzip.stdout.read(BLOCK):
            digest.update(block)
            target.write(block)
            size += len(block)
    if tar.returncode not in (0, CHANGED) or gzip.returncode != 0:
        raise PackError(f"tar ended with {tar.returncode}, gzip with {gzip.returncode}")
    return size, digest.hexdigest(), tar.returncode


def main() -> int:
    """Packs what the payload on stdin names."""
    asked = json.load(sys.stdin)
    try:
        print(json.dumps(pack(asked)))
    except (PackError, OSError) as error:
        print(f"{asked['name']}: not packed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
