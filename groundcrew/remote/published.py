"""Files that nginx serves, of the live release and for a while of those before it.

Part of the programs that import it: it is sent with them. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import time
from pathlib import Path

LISTS = ".releases"


def files(directory: Path) -> list[str]:
    """Every file below a directory, relative to it. Links are not followed out of it."""
    root = directory.resolve()
    found = []
    for path in sorted(directory.rglob("*")):
        if path.is_file() and root in path.resolve().parents:
            found.append(str(path.relative_to(directory)))
    return found


def publish(source: Path, target: Path, names: list[str]) -> int:
    """Copies what is missing or different; how many that were."""
    copied = 0
    for name in names:
        wanted, served = source / name, target / name
        if served.is_file() and filecmp.cmp(wanted, served, shallow=False):
            continue
        served.parent.mkdir(parents=True, exist_ok=True)
        partial = served.with_name(f".{served.name}.new")
        shutil.copyfile(wanted, partial)
        partial.chmod(0o644)
        partial.replace(served)
        copied += 1
    return copied


def expire(target: Path, release: str, previous: str | None, grace: float) -> int:
    """Removes the files of releases that were replaced longer ago than `grace`; how many."""
    lists = target / LISTS
    if previous and (lists / previous).exists():
        os.utime(lists / previous)
    kept: set[str] = set()
    for item in lists.iterdir():
        if item.name != release and time.time() - item.stat().st_mtime > grace:
            item.unlink()
        else:
            kept.update(item.read_text(encoding="utf-8").splitlines())
    removed = 0
    for name in files(target):
        if name not in kept and not name.startswith(f"{LISTS}/"):
            (target / name).unlink()
            removed += 1
    return removed
