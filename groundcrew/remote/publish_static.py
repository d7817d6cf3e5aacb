"""Publishes a release's static files for nginx, beside those of earlier releases.

Runs on the host as `python3 -c SCRIPT` with a JSON payload on stdin: {"root": the release's code,
"source": directory in it, "target": directory that is served, "release": ID, "previous": ID or
null, "grace": seconds}. Only files in that directory are published. Pages that a browser got from
the previous release still find their files, which stay until `grace` seconds after their release
was replaced. A file of the same name is replaced atomically. Exits with 0, or with 1 and the reason
on stderr. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from groundcrew.remote.published import LISTS, expire, files, note, publish, release_directory


def put(payload: dict[str, Any]) -> str:
    """Publishes the files described by the payload; returns a summary. Raises OSError."""
    target = Path(payload["target"])
    try:
        source = release_directory(payload["root"], payload["source"])
    except FileNotFoundError:
        raise OSError(f"no directory {payload['source']}: is it built by a hook?") from None
    with source:
        (target / LISTS).mkdir(parents=True, exist_ok=True)
        names = [name for name in files(source) if not name.startswith(f"{LISTS}/")]
        copied = publish(source, target, names)
    note(target / LISTS, payload["release"], names)
    removed = expire(target, payload["release"], payload["previous"], payload["grace"])
    return f"static files: {len(names)}, {copied} new, {removed} expired"


def main() -> int:
    """Publishes the files described by the payload on stdin."""
    payload: dict[str, Any] = json.load(sys.stdin)
    os.umask(0o022)
    try:
        print(put(payload))
    except OSError as error:
        print(f"static files: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
