"""Finished parts of releases: environments and code, each in a directory owned by root.

`part.json` records a part's fingerprint when it is finished, so that damage is detected before it
is used. A library, sent to the host with the programs that import it. Standard library only, Python
3.9 or later.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from groundcrew.remote.seal import fingerprint

PART = re.compile(r"[0-9a-f]{16}(-[0-9a-f]{16})?\.[0-9]+\.[0-9]+")
"""Pattern of the names of parts: digests of their inputs, and the version of Python."""
NOTE = "part.json"


class DamagedError(Exception):
    """A part has changed since it was finished; the message names it."""


def mark(part: Path) -> None:
    """Records the fingerprint of a finished part."""
    marks = {item.name: fingerprint(str(item)) for item in folders(part)}
    descriptor = os.open(part / NOTE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(marks))


def check(part: Path) -> bool:
    """Whether the part exists. Raises DamagedError if it has changed since it was finished."""
    if not part.is_dir():
        return False
    try:
        known: Any = json.loads((part / NOTE).read_text(encoding="utf-8"))
        now = {item.name: fingerprint(str(item)) for item in folders(part)}
    except (OSError, ValueError) as error:
        raise DamagedError(f"{part} is damaged ({error})") from None
    if known != now:
        raise DamagedError(f"{part} is damaged")
    return True


def folders(part: Path) -> list[Path]:
    """The directories of a part."""
    return sorted(item for item in part.iterdir() if item.is_dir() and not item.is_symlink())


def same_files(code: Path, app: Path) -> bool:
    """Whether a release has every file of its code: hard links to the same files, except for
    configuration files that replace some of them."""
    for folder, _, names in os.walk(code):
        here = app / Path(folder).relative_to(code)
        for name in names:
            try:
                os.lstat(here / name)
            except OSError:
                return False
    return True
