"""Brings parts of releases from a host that has them to others, through the operator's machine.

Each archive is packed and fetched once for all receivers. It is a file everywhere, never held in
memory. The builder's root computes its SHA-256; it is compared here, and by root on each receiver.
"""

from __future__ import annotations

import atexit
import json
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gevent.lock import RLock  # type: ignore[import-untyped]
from pyinfra.api import Host, StringCommand
from pyinfra.api.exceptions import PyinfraError

from groundcrew import remote
from groundcrew.columns import size
from groundcrew.facts.parts import Packed, Received
from groundcrew.operations.upload import stage, staging
from groundcrew.project import ROOT
from groundcrew.releases.archives import checked
from groundcrew.releases.tree import SourceError
from groundcrew.releases.undo import connector_arguments
from groundcrew.remote.printable import printable
from groundcrew.transport import LOST, arguments_of, fetch_file

FOLDER = ROOT / ".groundcrew" / "shipped"
LINES = 2
"""Last lines of an error that are shown."""
LEFTOVER = 86400
"""Seconds after which archives are removed that a killed run has left."""


class ShippingError(Exception):
    """Parts could not be brought from one host to another; the message says why."""


@dataclass(frozen=True)
class Fetched:
    """An archive on the operator's machine."""

    file: Path
    size: int
    sha256: str


_fetched: dict[tuple[str, str, tuple[str, ...]], Fetched] = {}
_at_work: dict[tuple[str, str, tuple[str, ...]], RLock] = {}
_folders: list[Path] = []


def run_json(other: Host, arguments: dict[str, Any], program: str, payload: Any) -> Any:
    """What a program of groundcrew/remote prints on a host. `arguments` are the current operation's
    connector arguments. Raises ShippingError."""
    command = remote.command(program, payload=payload)
    try:
        good, output = other.run_shell_command(
            command, **{**arguments_of(other, arguments), **command.connector_arguments}
        )
    except (*LOST, PyinfraError) as error:
        raise ShippingError(f"{other.name}: {str(error) or type(error).__name__}") from None
    try:
        if good:
            return json.loads(output.stdout_lines[-1])
    except (ValueError, IndexError):
        pass
    lines = output.stderr.strip().splitlines()
    reason = printable("; ".join(lines[-LINES:])) or "no answer"
    raise ShippingError(f"{other.name}: {reason}")


def bring(source: Host, host: Host, app: str, parts: Sequence[str]) -> Received:
    """Brings parts to the current host; returns what its build is told. Raises ShippingError."""
    fetched = _from(source, host, app, tuple(parts))
    began = time.monotonic()
    try:
        path = stage(host, fetched.file, f"groundcrew-{app}")
    except (*LOST, PyinfraError) as error:
        raise ShippingError(f"not sent from {source.name} to {host.name}: {error}") from None
    took = time.monotonic() - began
    host.log(f"{app}: {size(fetched.size)} from {source.name} sent in {took:.1f} s")
    return {"archive": path, "sha256": fetched.sha256, "parts": list(parts)}


def _from(source: Host, host: Host, app: str, parts: tuple[str, ...]) -> Fetched:
    """The archive of parts that `source` has, packed and fetched once for all."""
    key = (source.name, app, parts)
    with _at_work.setdefault(key, RLock()):
        if key not in _fetched:
            _fetched[key] = _fetch(source, host, app, parts)
        return _fetched[key]


def _fetch(source: Host, host: Host, app: str, parts: tuple[str, ...]) -> Fetched:
    began = time.monotonic()
    try:
        directory = staging(source, f"groundcrew-{app}")
    except (*LOST, PyinfraError) as error:
        raise ShippingError(f"{source.name}: {error}") from None
    try:
        payload = {"name": app, "parts": list(parts), "directory": directory}
        packed: Packed = run_json(source, connector_arguments(host), "pack_parts", payload)
        source.log(f"{app}: {size(packed['size'])} of {len(parts)} parts are fetched for others")
        target = _room(packed["size"]) / f"{len(_fetched)}-{app}.tar.gz"
        if not fetch_file(source, packed["path"], target, packed["size"]):
            raise ShippingError(f"{source.name}: the archive could not be fetched")
        checked(target, packed["sha256"], f"what was fetched from {source.name}")
    except SourceError as error:
        raise ShippingError(f"{error}; run again") from None
    except (*LOST, PyinfraError) as error:
        reason = str(error) or type(error).__name__
        raise ShippingError(f"{source.name}: the archive was not fetched: {reason}") from None
    finally:
        _discard(source, directory)
    took = time.monotonic() - began
    source.log(f"{app}: fetched in {took:.1f} s, SHA-256 {packed['sha256']}")
    return Fetched(target, packed["size"], packed["sha256"])


def _discard(source: Host, directory: str) -> None:
    try:
        source.run_shell_command(StringCommand(f"rm -rf {shlex.quote(directory)}"))
    except (*LOST, PyinfraError):
        # The host's own cleaning of /var/tmp removes it.
        pass


def _room(wanted: int) -> Path:
    """A private directory of this run. Raises ShippingError if less than `wanted` bytes are free
    there."""
    if not _folders:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for left in FOLDER.iterdir():
            if time.time() - left.stat().st_mtime > LEFTOVER:
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=FOLDER))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _folders.append(folder)
    free = shutil.disk_usage(_folders[0]).free
    if free < wanted:
        raise ShippingError(
            f"{size(wanted)} are to be sent, and {FOLDER} has {size(free)} left: make room there, "
            "or set `rollout.build: each`"
        )
    return _folders[0]
