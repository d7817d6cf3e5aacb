"""Gives releases that are kept the new login of a binding, so that a rollback to them works after a
rotation.

Runs on the host as root, as `python3 -c SCRIPT REQUEST`; REQUEST is JSON: {"releases": [DIRECTORY],
"stores": [PATH]}. Only files that root alone can write are changed: each release's `env` and its
configuration files. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator

from groundcrew.remote.credentials import both_logins

LARGEST = 1 << 20
"""Size in bytes of the largest file that can be a configuration file."""


def files(folder: str) -> Iterator[str]:
    """The files of a release that may contain a login: regular files of root's, linked once."""
    for name in sorted(os.listdir(folder)):
        release = os.path.join(folder, name)
        for root, folders, names in os.walk(release, followlinks=False):
            folders[:] = [
                item for item in folders if is_safe(os.path.join(root, item), stat.S_ISDIR)
            ]
            for item in names:
                path = os.path.join(root, item)
                if is_safe(path, stat.S_ISREG) and os.lstat(path).st_size <= LARGEST:
                    yield path


def is_safe(path: str, kind: Callable[[int], bool]) -> bool:
    """Whether a path is of the kind, belongs to root, and nobody else may write it."""
    state = os.lstat(path)
    once = stat.S_ISDIR(state.st_mode) or state.st_nlink == 1
    return kind(state.st_mode) and state.st_uid == 0 and not state.st_mode & 0o022 and once


def refresh(path: str, replaced: list[tuple[bytes, bytes, bytes, bytes]]) -> bool:
    """Replaces old logins in a file by one rename. Returns whether it had any."""
    with open(path, "rb") as file:
        content = before = file.read()
        state = os.fstat(file.fileno())
    for old_user, old_password, user, password in replaced:
        if old_password in content:
            content = content.replace(old_password, password).replace(old_user, user)
    if content == before:
        return False
    staged = f"{path}.{secrets.token_hex(4)}"
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchown(file.fileno(), state.st_uid, state.st_gid)
        os.fchmod(file.fileno(), stat.S_IMODE(state.st_mode))
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)
    return True


def main() -> int:
    """Refreshes all files and prints how many."""
    request = json.loads(sys.argv[1])
    replaced = []
    for store in request["stores"]:
        new, old = both_logins(store)
        if old:
            texts = (*old, *new)
            replaced.append(tuple(text.encode() for text in texts))
    number = sum(
        refresh(path, replaced)  # type: ignore[arg-type]
        for folder in request["releases"]
        if os.path.isdir(folder)
        for path in files(folder)
    )
    print(number)
    return 0


if __name__ == "__main__":
    sys.exit(main())
