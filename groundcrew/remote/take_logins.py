"""Stores logins that other hosts provide, and the certificates of their servers.

Runs on the host as root, as `python3 -c SCRIPT` with a list of {"store", "user", "password", "ca":
PATH, "certificate"} on stdin. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from typing import TYPE_CHECKING

from groundcrew.remote.credentials import take_login

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.logins import TakenLogin


def main() -> int:
    """Stores the logins."""
    taken: list[TakenLogin] = json.load(sys.stdin)
    for item in taken:
        take_login(item["store"], item["user"], item["password"])
        write_certificate(item["ca"], item["certificate"])
    return 0


def write_certificate(path: str, text: str) -> None:
    """Replaces a certificate, which everybody may read. One that is the same keeps its time, so
    that nothing restarts for it."""
    folder = os.path.dirname(path)
    for directory in (os.path.dirname(folder), folder):
        if not os.path.isdir(directory):
            os.mkdir(directory)
            os.chmod(directory, 0o755)  # noqa: S103 - whatever root's umask is
    if _is(path, text):
        return
    staged = f"{path}.{secrets.token_hex(4)}"
    with open(staged, "x", encoding="ascii") as file:
        file.write(text)
    os.chmod(staged, 0o644)
    os.replace(staged, path)


def _is(path: str, text: str) -> bool:
    try:
        with open(path, encoding="ascii") as file:
            return file.read() == text
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
