"""Finished parts of releases: environments and code, each in a directory of root's.

A part says in `part.json` what it looked like when it was finished, so that one that was damaged
since is found before it is used. Part of the programs that import it: it is sent with them.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from groundcrew.remote.seal import fingerprint

PART = re.compile(r"[0-9a-f]{16}(-[0-9a-f]{16})?\.[0-9]+\.[0-9]+")
"""What parts are named: what each is made of, and the version of Python."""
NOTE = "part.json"


class DamagedError(Exception):
    """A part is not what it was when it was finished; the message names it."""


def mark(part: Path) -> None:
    """Notes what the finished part looks like."""
    marks = {item.name: fingerprint(str(item)) for item in folders(part)}
    descriptor = os.open(part / NOTE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(marks))


def check(part: Path) -> bool:
    """Whether the part is there. Raises DamagedError where it is, but not as it was."""
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
    """The directories that a part is made of."""
    return sorted(item for item in part.iterdir() if item.is_dir() and not item.is_symlink())


def same_files(code: Path, app: Path) -> bool:
    """Whether a release has every file of its code: links to the same ones, but for configuration
    files that it has put in their place."""
    for folder, _, names in os.walk(code):
        here = app / Path(folder).relative_to(code)
        for name in names:
            try:
                os.lstat(here / name)
            except OSError:
                return False
    return True
