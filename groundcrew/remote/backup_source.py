"""What a role's backup module on the host has, and what all of them use.

A role names its module in `Brings.backups`. The module runs on the host as root and may use only
the standard library of Python 3.9 and `groundcrew.remote`. Its functions:

- `save(request, kind)` brings the copies on this host up to date and returns `Saved`. `kind` is
`full` (weekly), `daily`, or `logs` (every few minutes: only what was committed since then). A kind
without what it builds on makes that first. - `open_scratch(request, restored, scratch, at)` starts
a server with the copies below the directory `restored`, where each path of `Saved.paths` is at the
same place as below `/`. The server has what was committed up to `at` (seconds since 1970; None:
everything). It runs in the network namespace and slice of `scratch`, listens there like the live
server, and accepts the applications' current logins. Returns `Opened`. - `close_scratch(request,
scratch)` stops it and removes what it has left, also after an interruption. - `put_back(request,
app, scratch, mark)` replaces what the live server has of an application by what the scratch server
has, and returns a line for each thing that it replaced. What it replaces is kept under names with
`mark`. Called again with the same mark after an interruption, it continues. - `forget(request, app,
mark)` removes what `put_back` has kept.

It may also have: - `compare(request, scratch, content)` returns a line for each thing that the
scratch server lacks. `content` is what `save` has said about these copies. - `missing(request)`
returns a line for each gap in the copies on this host.

A module whose copies have one moment only says so by `EXACT = False`: for an earlier time, an older
copy is opened.

`request` is the role's own. Failures are exceptions whose text says what is wrong; it never
contains a secret. A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from groundcrew.remote.commands import run

COPIES = "/var/lib/groundcrew/backups/copies"
"""Directory of the copies on this host that are stored at the targets: one directory per role."""


class SourceError(Exception):
    """A backup, scratch server or restore failed; the message says why."""


class Saved(NamedTuple):
    """Copies on this host."""

    paths: Sequence[str]
    """Files and directories that belong together."""

    until: float
    """Seconds since 1970 up to which everything that was committed is in them."""

    content: Mapping[str, Any] = {}
    """What `compare` finds in these copies later (JSON): what tells them from any others."""


class Opened(NamedTuple):
    """A scratch server that answers."""

    binds: Mapping[str, str]
    """Directories of sockets: path that applications know -> path of the scratch server's."""

    until: float | None
    """Seconds since 1970 of the last transaction that it has, if the server knows."""

    version: str


class Scratch(NamedTuple):
    """Where a scratch server runs."""

    folder: str
    """Directory of its own, which only root can change."""

    name: str
    """Beginning of the names of its units."""

    namespace: str
    """Path of a network namespace that has nothing but a loopback interface."""

    slice: str
    """Slice that bounds memory and CPU of all that runs in it."""


def start_unit(  # noqa: PLR0917 - the program of a unit, where it runs, and what it may
    scratch: Scratch,
    part: str,
    command: Sequence[str],
    user: str,
    writable: Sequence[str],
    properties: Mapping[str, str] | None = None,
) -> str:
    """Starts a command as `user` in a unit of its own, which can write only to `writable` and has
    no network. Returns the unit's name. Raises SourceError."""
    unit = f"{scratch.name}-{part}.service"
    chosen = {
        "User": user,
        "Slice": scratch.slice,
        "NetworkNamespacePath": scratch.namespace,
        "CapabilityBoundingSet": "",
        "NoNewPrivileges": "yes",
        "PrivateDevices": "yes",
        "PrivateTmp": "yes",
        "ProtectHome": "yes",
        "ProtectSystem": "strict",
        "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
        "RestrictSUIDSGID": "yes",
        "ReadWritePaths": " ".join(writable),
        "UMask": "0077",
        "TimeoutStopSec": "60",
        **(properties or {}),
    }
    words = ["systemd-run", "--quiet", "--collect", f"--unit={unit}"]
    words += [f"--property={key}={value}" for key, value in chosen.items()]
    run("systemctl", "reset-failed", unit)
    result = subprocess.run(
        [*words, "--", *command], check=False, capture_output=True, text=True, timeout=60, cwd="/"
    )
    if result.returncode != 0:
        raise SourceError(f"{shlex.join(command)} does not start: {result.stderr.strip()}")
    return unit


def stop_unit(unit: str) -> None:
    """Stops a unit, if it runs."""
    run("systemctl", "stop", unit)
    run("systemctl", "reset-failed", unit)


def make_folder(path: str, mode: int = 0o700, owner: tuple[int, int] = (0, 0)) -> str:
    """Makes a directory of root's, in a directory that root alone can change. Returns its path."""
    if not os.path.isdir(path):
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        os.mkdir(path, mode)
    os.chmod(path, mode)
    os.chown(path, *owner)
    return path
