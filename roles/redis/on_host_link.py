"""What an instance is besides its configuration: a replica, a primary that accepts no more writes,
or a replica that was promoted. A file says it, which the server reads at its start.

Runs on the host as root, as part of this role's other programs. Standard library and
`groundcrew.remote` only, Python 3.9 or later.

The file belongs to root, and the server can read it: a replica's has the password for its primary.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Any

from groundcrew.remote.credentials import active_login
from groundcrew.roles.redis.on_host_files import read, sync, write

Data = dict[str, Any]
REPLICA, RETIRED, PROMOTED = "replica", "retired", "promoted"
NOBODY = "2147483647"
"""So many replicas no primary has, and one that lacks some accepts no writes."""
FIRST = re.compile(r"# groundcrew: (\w+)\n")


def kind(path: str) -> str:
    """Which of the three an instance is; empty for none of them."""
    match = FIRST.match(read(path))
    return match.group(1) if match else ""


def mark_replica(path: str, primary: Data, group: str) -> None:
    """From its next start, the instance is a replica."""
    text = following(primary)
    if read(path) != text:
        write(path, text, group)


def is_replica_of(path: str, primary: Data) -> bool:
    """Whether the file says that the instance is a replica of that primary, with the login that is
    active."""
    return read(path) == following(primary)


def following(primary: Data) -> str:
    """The file of a replica."""
    user, password = active_login(primary["store"]) or ("", "")
    lines = (
        f"# groundcrew: {REPLICA}",
        f"replicaof {primary['address']} {primary['port']}",
        f"masteruser {user}",
        f"masterauth {password}",
        "replica-read-only yes",
    )
    return "".join(f"{line}\n" for line in lines)


def mark_retired(path: str, group: str) -> None:
    """From its next start, the instance accepts no writes."""
    lines = (
        f"# groundcrew: {RETIRED}",
        f"min-replicas-to-write {NOBODY}",
        "min-replicas-max-lag 10",
    )
    write(path, "".join(f"{line}\n" for line in lines), group)


def mark_promoted(path: str, group: str) -> None:
    """From its next start, the instance is a primary. The file says that until the inventory does,
    so that a run with the old inventory does not make it a replica again."""
    write(path, f"# groundcrew: {PROMOTED}\n", group)


def unmark(path: str) -> None:
    """The instance is what its configuration says."""
    with suppress(FileNotFoundError):
        os.unlink(path)
        sync(os.path.dirname(path))
