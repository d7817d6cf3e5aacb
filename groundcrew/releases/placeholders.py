"""Removes placeholder files from shared directories, and refuses other content in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from groundcrew.releases.tree import SourceError

LONGEST = 4096
"""Maximum size in bytes of a placeholder file."""
SHOWN = 3
# An empty file with another name may be code, such as `__init__.py`.
_PLACEHOLDER = re.compile(
    r"\.(git)?keep(me)?|\.gitignore|\.gitattributes|\.hgkeep|\.empty|\.placeholder|\.dummy"
    r"|README(\.(md|rst|txt))?",
    re.IGNORECASE,
)


class SharedError(SourceError):
    """The source contains files in a directory that outlives releases."""

    def __init__(self, message: str, directory: str) -> None:
        super().__init__(message, "shared")
        self.directory = directory


def without(directory: Path, files: Sequence[Path], shared: Sequence[str]) -> list[Path]:
    """The files without the placeholders in `shared` directories.

    Raises SharedError if such a directory has other content: releases would hide it.
    """
    left = list(files)
    for name in shared:
        left = _without(directory, left, PurePosixPath(name))
    return left


def _without(directory: Path, files: Sequence[Path], shared: PurePosixPath) -> list[Path]:
    left, content = [], []
    for file in files:
        path = PurePosixPath(file.relative_to(directory))
        if path == shared or path in shared.parents:
            raise SharedError(
                f"{path} is {'a link' if file.is_symlink() else 'a file'} in the source: only a "
                "directory outlives releases, and the source cannot bring it",
                str(shared),
            )
        if not path.is_relative_to(shared):
            left.append(file)
        elif not _is_placeholder(file):
            content.append(str(path))
        elif path.parent != shared:
            raise SharedError(
                f"{path} stands for a directory in the shared {shared}, which the application must "
                f'make itself, e.g. with `hooks.release: ["mkdir -p {path.parent}"]`; leave the '
                "file out with `source.exclude`",
                str(shared),
            )
    if content:
        more = f" and {len(content) - SHOWN} more" if len(content) > SHOWN else ""
        raise SharedError(
            f"{shared} outlives releases, which would hide what the source has in it "
            f"({', '.join(content[:SHOWN])}{more}): leave it out with `source.exclude: "
            f"[/{shared}/]`, name another directory, or have it copied once with `seeds: "
            f"{{{shared}: {shared}}}`",
            str(shared),
        )
    return left


def _is_placeholder(file: Path) -> bool:
    known = _PLACEHOLDER.fullmatch(file.name)
    return bool(known) and not file.is_symlink() and file.stat().st_size <= LONGEST
