"""Publishes files for nginx: those of the live release, and for a while those of earlier ones.

A release's files come from its build, which is not trusted: only regular files below the published
directory are served, and links only if they point to such files.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import BinaryIO

from groundcrew.remote.printable import printable
from groundcrew.remote.safe_paths import (
    MOST_LINKS,
    UnsafePathError,
    Way,
    by_descriptor,
    open_file,
    read_link,
    where,
)

LISTS = ".releases"
MOST_FOLDERS = 200
"""Maximum depth of nested directories."""


def release_directory(root: str, path: str) -> Way:
    """Opens the directory `path` below `root`, the code of a release. Raises OSError:
    FileNotFoundError if it is missing, UnsafePathError if it or a directory between it and the
    release is a link, which could point anywhere."""
    release, code = os.path.split(root)
    way = Way(release)
    try:
        for part in [code, *os.path.relpath(path, root).split("/")]:
            if part == "..":
                raise UnsafePathError(f"{path} is not in {root}")
            try:
                way.enter(part)
            except NotADirectoryError:
                raise UnsafePathError(
                    f"{where(way.end, part)} is a link or a file: a release's own directory is "
                    "published, with what is in it"
                ) from None
    except BaseException:
        way.close()
        raise
    return way


def files(directory: Way) -> list[str]:
    """Every file below a directory, relative to it. Links to directories or out of the directory
    are not followed. Raises OSError."""
    names: list[str] = []

    def look(folder: int, before: str, depth: int) -> None:
        if depth > MOST_FOLDERS:
            raise OSError(f"more than {MOST_FOLDERS} directories in one another")
        for entry in sorted(os.scandir(by_descriptor(folder)), key=lambda item: item.name):
            name = before + entry.name
            if entry.is_dir(follow_symlinks=False):
                flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
                below = os.open(entry.name, flags, dir_fd=folder)
                try:
                    look(below, f"{name}/", depth + 1)
                finally:
                    os.close(below)
            elif entry.is_file(follow_symlinks=False) or leads_to_file(directory, name):
                names.append(name)

    look(directory.end, "", 1)
    return names


def leads_to_file(directory: Way, name: str) -> bool:
    """Whether a link points to a file below the directory."""
    try:
        os.close(open_below(directory, name))
    except OSError:
        return False
    return True


def open_below(directory: Way, name: str) -> int:
    """Opens a file below a directory for reading, and returns the descriptor. Links are followed
    within the directory.

    A file with several hard links must be readable by the application. Raises OSError.
    """
    folder, name = os.path.split(name)
    way = Way(folder, directory)
    try:
        for _ in range(MOST_LINKS):
            target = read_link(name, way.end)
            if target is None:
                break
            folder, name = os.path.split(target)
            before, way = way, Way(folder, way)
            before.close()
        if not way.passes(directory.end):
            raise UnsafePathError(f"{where(way.end, name)} is not in {where(directory.end)}")
        return checked(open_file(name, way.end), os.fstat(directory.end))
    finally:
        way.close()


def checked(file: int, directory: os.stat_result) -> int:
    """Returns the descriptor if the file may be published. Raises UnsafePathError."""
    state = os.fstat(file)
    for_group = state.st_mode & 0o040 and state.st_gid == directory.st_gid != 0
    if state.st_nlink > 1 and not (state.st_mode & 0o004 or for_group):
        path = where(file)
        os.close(file)
        raise UnsafePathError(f"{path} has a second name (a hard link), and not all may read it")
    return file


def publish(source: Way, target: Path, names: list[str]) -> int:
    """Copies files that are missing or different; returns their number."""
    copied = 0
    for name in names:
        if "\n" in name:
            raise UnsafePathError(f"{printable(repr(name))}: a line feed in a name")
        served = target / name
        with os.fdopen(open_below(source, name), "rb") as wanted:
            if served.is_file() and same(wanted, served):
                continue
            wanted.seek(0)
            served.parent.mkdir(parents=True, exist_ok=True)
            partial = served.with_name(f".{served.name}.new")
            with partial.open("wb") as new:
                shutil.copyfileobj(wanted, new)
        partial.chmod(0o644)
        partial.replace(served)
        copied += 1
    return copied


def same(wanted: BinaryIO, served: Path) -> bool:
    """Whether a file has the same content as an open one."""
    if os.fstat(wanted.fileno()).st_size != served.stat().st_size:
        return False
    with served.open("rb") as other:
        while True:
            chunk = wanted.read(1 << 16)
            if chunk != other.read(1 << 16):
                return False
            if not chunk:
                return True


def note(lists: Path, release: str, names: list[str]) -> None:
    """Records which files a release has."""
    (lists / release).write_text("\n".join(names), encoding="utf-8", errors="surrogateescape")


def expire(target: Path, release: str, previous: str | None, grace: float) -> int:
    """Removes the files of releases that were replaced more than `grace` seconds ago; returns their
    number."""
    lists = target / LISTS
    if previous and (lists / previous).exists():
        os.utime(lists / previous)
    kept: set[str] = set()
    for item in lists.iterdir():
        if item.name != release and time.time() - item.stat().st_mtime > grace:
            item.unlink()
        else:
            text = item.read_text(encoding="utf-8", errors="surrogateescape")
            kept.update(text.split("\n"))
    removed = 0
    with Way(str(target)) as served:
        for name in files(served):
            if name not in kept and not name.startswith(f"{LISTS}/"):
                (target / name).unlink()
                removed += 1
    return removed
