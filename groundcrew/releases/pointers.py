"""Detects files whose content is stored elsewhere (Git LFS, git-annex) or locked (git-crypt). They
would be released without an error, with the wrong content."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from groundcrew.releases.tree import SourceError

LONGEST = 1024
"""Maximum size in bytes of a Git LFS pointer."""
SHOWN = 3
_LFS = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:[^\n]*\n)*?oid sha256:([0-9a-f]{64})\n"
    rb"size ([0-9]+)\n"
)
_LOCKED = b"\0GITCRYPT\0"
_ANNEX = b"/annex/objects/"


@dataclass(frozen=True)
class Pointer:
    """A Git LFS pointer."""

    path: Path
    oid: str
    """SHA-256 of the content, and its name in the store."""

    size: int


def lfs(files: Iterable[Path]) -> Iterator[Pointer]:
    """The Git LFS pointers among files."""
    for path in files:
        if not path.is_symlink() and path.stat().st_size <= LONGEST:
            match = _LFS.match(path.read_bytes())
            if match:
                yield Pointer(path, match[1].decode(), int(match[2]))


def refuse(directory: Path, files: Iterable[Path], way_out: str) -> None:
    """Raises SourceError if files are pointers or locked. `way_out` tells the operator how to get
    the content of Git LFS pointers."""
    listed = list(files)
    paths = [pointer.path for pointer in lfs(listed)]
    if paths:
        raise _error(directory, paths, "only a pointer of Git LFS", way_out)
    for path in listed:
        if path.is_symlink():
            if "/.git/annex/" in f"/{path.readlink()}":
                raise _error(directory, [path], "only a link of git-annex", "`git annex get` it")
            continue
        with path.open("rb") as file:
            begin = file.read(len(_ANNEX))
        if begin.startswith(_LOCKED):
            raise _error(directory, [path], "what git-crypt has locked", "unlock it")
        if begin == _ANNEX and path.stat().st_size <= LONGEST:
            raise _error(directory, [path], "only a pointer of git-annex", "`git annex get` it")


def _error(directory: Path, paths: list[Path], what: str, way_out: str) -> SourceError:
    names = [str(path.relative_to(directory)) for path in paths]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    told = ", ".join(names[:SHOWN]) + more
    return SourceError(
        f"{told} {'hold' if len(names) > 1 else 'holds'} {what}: {way_out}, "
        "or leave it out with `source.exclude`"
    )
