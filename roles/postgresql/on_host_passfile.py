"""The file from which a replica takes the password for its primary.

Runs on the host as root, as part of this role's other programs. Standard library and
`groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import os
import pwd
import secrets
from typing import Any

from groundcrew.remote.credentials import active_login

Data = dict[str, Any]


def passfile_is_right(primary: Data) -> bool:
    """Whether the file has the login that is active."""
    try:
        with open(primary["passfile"], encoding="ascii") as file:
            return file.read() == _line(primary)
    except OSError:
        return False


def write_passfile(primary: Data) -> None:
    """Writes the file: only postgres can read it. Its directory belongs to root."""
    if passfile_is_right(primary):
        return
    path = primary["passfile"]
    staged = f"{path}.{secrets.token_hex(4)}"
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(_line(primary))
        file.flush()
        os.fsync(file.fileno())
    owner = pwd.getpwnam("postgres")
    os.chown(staged, owner.pw_uid, owner.pw_gid)
    os.replace(staged, path)


def _line(primary: Data) -> str:
    """The line of the login: host, port, any database, user and password."""
    login = active_login(primary["store"])
    if login is None:
        return ""
    place = primary["address"].replace(":", "\\:")
    return f"{place}:{primary['port']}:*:{login[0]}:{login[1]}\n"
