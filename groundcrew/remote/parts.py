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
from typing import Any, NamedTuple

from groundcrew.remote.seal import fingerprint

PART = re.compile(r"[0-9a-f]{16}(-[0-9a-f]{16})?\.[0-9]+\.[0-9]+")
"""Pattern of the names of parts: digests of their inputs, and the version of Python."""
NOTE = "part.json"
CONTENT = {
    "environments": ("venv", "requirements.txt", "requirements.lock"),
    "code": ("app",),
}
"""What the parts of each kind contain. The first one is a directory that must be there."""


class PartNames(NamedTuple):
    """The parts of a release, relative to the application's directory. `environment` is `base`
    unless the source is installed into it."""

    base: str
    environment: str
    code: str

    @property
    def every(self) -> list[str]:
        """All of them, each once, in the order in which they are made."""
        return list(dict.fromkeys(self))


def part_names(keys: dict[str, Any], python: str) -> PartNames:
    """The parts with these keys, as in groundcrew/remote/build_release.py. Each version of Python
    has its own."""
    version = ".".join(python.split(".")[:2])
    base = f"environments/{keys['environment']}"
    return PartNames(
        f"{base}.{version}",
        f"{base}-{keys['source']}.{version}" if keys["source"] else f"{base}.{version}",
        f"code/{keys['code']}.{version}",
    )


def is_part(name: str) -> bool:
    """Whether this is the name of a part, relative to the application's directory."""
    kind, _, rest = name.partition("/")
    return kind in CONTENT and bool(PART.fullmatch(rest))


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
