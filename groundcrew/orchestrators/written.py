"""Writes a directory of files that are computed, and never over files of others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NOTE = ".groundcrew-export"
"""File that lists what was written: path -> SHA-256."""


class OthersFilesError(Exception):
    """The directory contains files of others; the message names them, and what to do."""


@dataclass(frozen=True)
class Written:
    """What has changed in the directory: paths."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def write(directory: Path, files: Mapping[str, str], *, force: bool = False) -> Written:
    """Writes the files, and removes those of an earlier run that are not among them. Files ending
    in `.sh` can be executed. Raises OthersFilesError, before anything is written, if a file was not
    written by an earlier run or was changed since, unless `force`."""
    noted = _noted(directory)
    _refuse_links(directory, [*files, *noted])
    if not force:
        _refuse_others(directory, files, noted)
    new: list[str] = []
    changed: list[str] = []
    removed: list[str] = []
    for path, text in sorted(files.items()):
        target = directory / path
        before = target.read_text(encoding="utf-8") if target.exists() else None
        if before == text:
            continue
        (new if before is None else changed).append(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        if path.endswith(".sh"):
            target.chmod(0o755)
    for path in sorted(noted.keys() - files.keys()):
        if (directory / path).exists():
            (directory / path).unlink()
            removed.append(path)
    digests = {path: _digest(text) for path, text in sorted(files.items())}
    note = json.dumps(digests, indent=2) + "\n"
    if digests != noted:
        (directory / NOTE).write_text(note, encoding="utf-8")
    return Written(tuple(new), tuple(changed), tuple(removed))


def _noted(directory: Path) -> dict[str, str]:
    try:
        noted = json.loads((directory / NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise OthersFilesError(f"{directory / NOTE} cannot be read: remove it") from None
    return {
        str(path): str(digest)
        for path, digest in noted.items()
        if not Path(path).is_absolute() and ".." not in Path(path).parts
    }


def _refuse_links(directory: Path, paths: list[str]) -> None:
    for path in paths:
        target = directory / path
        for item in (target, *list(target.parents)[: len(Path(path).parts) - 1]):
            if item.is_symlink():
                raise OthersFilesError(f"{item} is a link: remove it")


def _refuse_others(directory: Path, files: Mapping[str, str], noted: Mapping[str, str]) -> None:
    if directory.exists() and not directory.is_dir():
        raise OthersFilesError(f"{directory} is no directory")
    if not noted and directory.exists() and any(directory.iterdir()):
        raise OthersFilesError(
            f"{directory} has files that no export has written: choose another directory "
            "(--output), or let it write there all the same (--force)"
        )
    for path in sorted({*files, *noted}):
        target = directory / path
        if not target.exists():
            continue
        same = target.read_text(encoding="utf-8", errors="replace")
        if path in noted and _digest(same) == noted[path]:
            continue
        if path in files and same == files[path]:
            continue
        raise OthersFilesError(
            f"{target} was changed since it was written: put the change into the manifest, or "
            "overwrite it (--force)"
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
