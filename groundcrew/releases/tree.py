"""Selects the files of a directory that belong to an application's source."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from pathspec import GitIgnoreSpec

ALWAYS_EXCLUDED = (".git/", ".hg/", ".svn/", "__pycache__/", "*.pyc", ".venv/", ".groundcrew/")


class SourceError(Exception):
    """The source cannot be packed. The message says why; `key` is the setting in the manifest that
    caused it, if it is not `source` itself."""

    def __init__(self, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


def files(
    directory: Path,
    exclude: Sequence[str],
    *,
    gitignore: bool,
    include: Sequence[str] = (),
    tracked: Collection[Path] = (),
) -> Iterator[Path]:
    """Files and links below `directory` that neither `exclude` nor its .gitignore files exclude.
    .gitignore files do not apply to `include` and the directories in it, nor to `tracked` files.

    Raises SourceError for files that cannot be released: links that point outside, sockets,
    devices.
    """
    always = GitIgnoreSpec.from_lines([*ALWAYS_EXCLUDED, *exclude])
    ignores: dict[Path, GitIgnoreSpec] = {}
    # Ignored directories that contain tracked files.
    closed: set[Path] = set()
    leading = {parent for path in tracked for parent in path.parents}

    def ignored(path: Path, suffix: str = "") -> bool:
        relative = path.relative_to(directory)
        if always.match_file(f"{relative}{suffix}"):
            return True
        if relative in tracked or any(_on_one_way(relative, Path(kept)) for kept in include):
            return False
        left_out = path.parent in closed or said_ignored(path, suffix)
        if left_out and suffix and relative in leading:
            closed.add(path)
            return False
        return left_out

    def said_ignored(path: Path, suffix: str) -> bool:
        # As in git, the nearest .gitignore that matches a path decides.
        for base in path.parents:
            if base in ignores:
                said = ignores[base].check_file(f"{path.relative_to(base)}{suffix}").include
                if said is not None:
                    return said
            if base == directory:
                break
        return False

    for name, folders, names in os.walk(directory, onerror=_unreadable):
        here = Path(name)
        if gitignore and ".gitignore" in names:
            # git treats patterns as bytes: undecodable ones must neither fail nor be lost.
            text = (here / ".gitignore").read_text(encoding="utf-8", errors="surrogateescape")
            ignores[here] = GitIgnoreSpec.from_lines(text.splitlines())
        links = [folder for folder in folders if (here / folder).is_symlink()]
        folders[:] = [
            folder for folder in folders if folder not in links and not ignored(here / folder, "/")
        ]
        for item in [*names, *links]:
            path = here / item
            if not ignored(path):
                yield _checked(path, directory)


def _on_one_way(path: Path, kept: Path) -> bool:
    return path.is_relative_to(kept) or kept.is_relative_to(path)


def _unreadable(error: OSError) -> None:
    raise error


def _checked(path: Path, directory: Path) -> Path:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        target = path.readlink()
        if target.is_absolute() or not path.resolve().is_relative_to(directory.resolve()):
            raise SourceError(f"{path} links to {target}, outside the source")
    elif not stat.S_ISREG(mode):
        raise SourceError(f"{path} is neither a file nor a link")
    return path
