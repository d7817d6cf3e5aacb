"""Publishes a release's front end, which nginx serves once the release is live.

Runs on the host as `python3 -c SCRIPT` with a JSON payload on stdin: {"root": the release's code,
"source": directory in it with the built files, "target": directory of all front ends, "url": path
that they are served at, "assets": [paths below it whose files are kept], "index": whether there
must be an index.html, "gzip": size in bytes from which text is compressed, or null, "release": ID,
"grace": seconds}. Only files in that directory are published. They are copied to
TARGET/releases/ID, at the paths of their URLs; TARGET/current is not changed. Assets are also
linked into TARGET/kept, where pages of a replaced release find them for another `grace` seconds.
Exits with 0, or with 1 and the reason on stderr. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from groundcrew.remote.published import LISTS, expire, files, note, publish, release_directory
from groundcrew.remote.safe_paths import Way

TEXT = {
    ".cjs", ".css", ".csv", ".eot", ".htm", ".html", ".ico", ".js", ".json", ".map", ".md", ".mjs",
    ".otf", ".rss", ".svg", ".ttf", ".txt", ".wasm", ".webmanifest", ".xml",
}  # fmt: skip


def visible(name: str) -> bool:
    """Whether a file may be served: no hidden files, except those of RFC 8615."""
    return not any(part.startswith(".") and part != ".well-known" for part in Path(name).parts)


def compress(directory: Path, names: list[str], least: int) -> list[str]:
    """Writes NAME.gz beside text files, unless the build has; returns the names of those
    written."""
    made = []
    own = {name for name in names if name.endswith(".gz")}
    for name in names:
        path, packed = directory / name, directory / f"{name}.gz"
        text = path.suffix.lower() in TEXT and path.stat().st_size >= least
        if not text or f"{name}.gz" in own:
            continue
        if not packed.exists() or packed.stat().st_mtime < path.stat().st_mtime:
            content = path.read_bytes()
            partial = packed.with_name(f".{packed.name}.new")
            partial.write_bytes(gzip.compress(content, 9))
            partial.chmod(0o644)
            partial.replace(packed)
        made.append(f"{name}.gz")
    return made


def remove_others(directory: Path, names: set[str]) -> None:
    """Removes files left by an earlier attempt."""
    with Way(str(directory)) as way:
        for name in files(way):
            if name not in names:
                (directory / name).unlink()


def keep(release: Path, kept: Path, names: list[str]) -> None:
    """Links files of a release into the directory where they outlive it."""
    for name in names:
        partial = (kept / name).with_name(f".{Path(name).name}.new")
        partial.parent.mkdir(parents=True, exist_ok=True)
        if partial.exists():
            partial.unlink()
        os.link(release / name, partial)
        # Does nothing if both are the same file already.
        partial.replace(kept / name)
        if partial.exists():
            partial.unlink()


def live(target: Path) -> str | None:
    """The release whose front end is served."""
    try:
        return os.path.basename(os.readlink(target / "current"))
    except OSError:
        return None


def put(payload: dict[str, Any]) -> str:
    """Publishes the files described by the payload; returns a summary. Raises OSError."""
    target = Path(payload["target"])
    release, before = target / "releases" / payload["release"], live(target)
    url = payload["url"].strip("/")
    directory = release / url
    try:
        source = release_directory(payload["root"], payload["source"])
    except FileNotFoundError:
        raise OSError(f"no directory {payload['source']}: is it built?") from None
    with source:
        names = [name for name in files(source) if visible(name)]
        if payload["index"] and "index.html" not in names:
            raise FileNotFoundError(f"no index.html in {payload['source']}")
        directory.mkdir(parents=True, exist_ok=True)
        copied = publish(source, directory, names)
    packed = compress(directory, names, payload["gzip"]) if payload["gzip"] is not None else []
    served = {os.path.join(url, name) for name in [*names, *packed]}
    remove_others(release, served)
    prefixes = tuple(prefix.lstrip("/") for prefix in payload["assets"])
    assets = sorted(name for name in served if name.startswith(prefixes)) if prefixes else []
    kept = target / "kept"
    (kept / LISTS).mkdir(parents=True, exist_ok=True)
    keep(release, kept, assets)
    note(kept / LISTS, payload["release"], assets)
    removed = expire(kept, payload["release"], before, payload["grace"])
    for other in (target / "releases").iterdir():
        if other.name not in (payload["release"], before):
            shutil.rmtree(other)
    return (
        f"front end: {len(names)} files, {copied} new, {len(packed)} compressed; "
        f"{len(assets)} assets kept, {removed} expired"
    )


def main() -> int:
    """Publishes the files described by the payload on stdin."""
    payload: dict[str, Any] = json.load(sys.stdin)
    os.umask(0o022)
    try:
        print(put(payload))
    except OSError as error:
        print(f"front end: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
