"""Files that stand for content that lies elsewhere: what Git LFS and git-annex leave in a tree, and
what git-crypt has locked. Served as they are, they would be wrong without a word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from groundcrew.releases.tree import SourceError

LONGEST = 1024
"""Bytes that a pointer of Git LFS has at most."""
SHOWN = 3
_LFS = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:[^\n]*\n)*?oid sha256:([0-9a-f]{64})\n"
    rb"size ([0-9]+)\n"
)
_LOCKED = b"\0GITCRYPT\0"
_ANNEX = b"/annex/objects/"


@dataclass(frozen=True)
class Pointer:
    """A pointer of Git LFS."""

    path: Path
    oid: str
    """SHA-256 of the content, and its name in the store."""

    size: int


def lfs(files: Iterable[Path]) -> Iterator[Pointer]:
    """The pointers of Git LFS among files."""
    for path in files:
        if not path.is_symlink() and path.stat().st_size <= LONGEST:
            found = _LFS.match(path.read_bytes())
            if found:
                yield Pointer(path, found[1].decode(), int(found[2]))


def refuse(directory: Path, files: Iterable[Path], way_out: str) -> None:
    """Raises SourceError where files hold no content of their own. `way_out` is how those of Git
    LFS get theirs."""
    listed = list(files)
    found = [pointer.path for pointer in lfs(listed)]
    if found:
        raise _error(directory, found, "only a pointer of Git LFS", way_out)
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


def _error(directory: Path, found: list[Path], what: str, way_out: str) -> SourceError:
    names = [str(path.relative_to(directory)) for path in found]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    told = ", ".join(names[:SHOWN]) + more
    return SourceError(
        f"{told} {'hold' if len(names) > 1 else 'holds'} {what}: {way_out}, "
        "or leave it out with `source.exclude`"
    )
