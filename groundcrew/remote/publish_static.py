"""Puts a release's static files where nginx serves them, beside those of the releases before.

Runs on the host as `python3 -c SCRIPT` with a JSON payload on stdin: {"source": directory of the
release, "target": directory that is served, "release": ID, "previous": ID or null, "grace":
seconds}. A page that a browser got from the previous release still finds its files: they stay until
`grace` seconds after their release was replaced. A file of the same name is replaced atomically.
Exit 0, or 1 with the reason on stderr. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

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


def main() -> int:
    """Publishes what the payload on stdin describes."""
    payload: dict[str, Any] = json.load(sys.stdin)
    source, target = Path(payload["source"]), Path(payload["target"])
    os.umask(0o022)
    if not source.is_dir():
        print(f"no directory {source}: is it built by a hook?", file=sys.stderr)
        return 1
    try:
        (target / LISTS).mkdir(parents=True, exist_ok=True)
        names = files(source)
        copied = publish(source, target, names)
        (target / LISTS / payload["release"]).write_text("\n".join(names), encoding="utf-8")
        removed = expire(target, payload["release"], payload["previous"], payload["grace"])
    except OSError as error:
        print(f"static files: {error}", file=sys.stderr)
        return 1
    print(f"static files: {len(names)}, {copied} new, {removed} expired")
    return 0


if __name__ == "__main__":
    sys.exit(main())
