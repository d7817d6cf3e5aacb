"""Runs mongodump and mongorestore, which read what an application has stored.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO, Union
from urllib.parse import quote

from groundcrew.remote.backup_source import SourceError
from groundcrew.remote.commands import run

UNIT = "groundcrew-backup-mongodb.service"
SECONDS = 24 * 3600
PASSWORDS = "/run/groundcrew-mongodb"
"""Directory of the file with the password, which no argument has."""

PROPERTIES = {
    # It is root only to read its two files, and sees nothing else of the host.
    "User": "root",
    "CapabilityBoundingSet": "",
    "LockPersonality": "yes",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateNetwork": "yes",
    "RestrictAddressFamilies": "AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "SystemCallFilter": "@system-service",
    "TemporaryFileSystem": "/:ro",
    "UMask": "0077",
    "Nice": "10",
    "IOSchedulingClass": "idle",
}
SEEN = "/usr -/bin -/lib -/lib64 -/etc/ld.so.cache"


def dump(socket: str, login: tuple[str, str], database: str, output: IO[bytes]) -> None:
    """Writes a database as an archive. Raises SourceError."""
    _run(["/usr/bin/mongodump", f"--db={database}", "--archive"], socket, login, output)


def load(socket: str, login: tuple[str, str], database: str, archive: str) -> None:
    """Fills a database from an archive. Raises SourceError."""
    command = ["/usr/bin/mongorestore", f"--nsInclude={database}.*", f"--archive={archive}",
               "--stopOnError"]  # fmt: skip
    _run(command, socket, login, subprocess.DEVNULL, [archive])


def _run(
    command: Sequence[str],
    socket: str,
    login: tuple[str, str],
    output: Union[int, IO[bytes]],  # noqa: UP007 - Python 3.9
    reads: Sequence[str] = (),
) -> None:
    user, password = login
    os.makedirs(PASSWORDS, mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=PASSWORDS) as file:
        json.dump({"password": password}, file)
        file.flush()
        uri = f"mongodb://{user}@{quote(socket, safe='')}/?authSource=admin"
        seen = " ".join([SEEN, os.path.dirname(socket), file.name, *reads])
        properties = {**PROPERTIES, "BindReadOnlyPaths": seen}
        words = ["systemd-run", "--quiet", "--wait", "--collect", "--pipe", f"--unit={UNIT}",
                 *(f"--property={key}={value}" for key, value in properties.items()),
                 "--", *command, f"--uri={uri}", f"--config={file.name}"]  # fmt: skip
        run("systemctl", "reset-failed", UNIT)
        done = subprocess.run(
            words, check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE,
            timeout=SECONDS, cwd="/",
        )  # fmt: skip
    if done.returncode != 0:
        raise SourceError(f"{command[0]}: {reason(done.stderr) or done.returncode}")


def reason(text: bytes) -> str:
    """The line of a program's messages that says why it failed, else the last one."""
    lines = text.decode(errors="replace").strip().splitlines()
    errors = [line for line in lines if re.search(r"\b(error|failed|cannot)\b", line, re.I)]
    # The program begins each line with the time.
    return (errors or lines or [""])[-1].partition("\t")[2].strip() or (lines or [""])[-1].strip()
