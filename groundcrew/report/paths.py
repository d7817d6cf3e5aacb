"""The files of a report, and whether they can be written: told before a host is touched."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from groundcrew.settings.errors import Problem

PAGE = ".html"
BESIDE = (PAGE, ".json", ".xml")
"""The page, and what is beside it under the same name."""


def beside(path: str, ends: Iterable[str] = BESIDE) -> list[Path]:
    """The files of the report whose page is at `path`."""
    return [Path(path).expanduser().with_suffix(end) for end in ends]


def problems(path: str, key: str, layer: str, ends: Iterable[str] = BESIDE) -> list[Problem]:
    """Why the files cannot be written; empty if they can. Leaves nothing behind but directories."""
    if Path(path).suffix != PAGE:
        text = f'is a page, so its name ends in {PAGE}: "{path}"'
        return [Problem(key, layer, text)]
    targets = beside(path, ends)
    try:
        folder = targets[0].parent
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{targets[0].name}."):
            pass
    except OSError as error:
        text = f'"{path}" cannot be written: {error.strerror}: {error.filename}; name another file'
        return [Problem(key, layer, text)]
    return [
        Problem(key, layer, f'"{target}" is a directory; name another file')
        for target in targets
        if target.is_dir()
    ]
