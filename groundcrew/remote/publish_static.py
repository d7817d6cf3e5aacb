"""Puts a release's static files where nginx serves them, beside those of the releases before.

Runs on the host as `python3 -c SCRIPT` with a JSON payload on stdin: {"source": directory of the
release, "target": directory that is served, "release": ID, "previous": ID or null, "grace":
seconds}. A page that a browser got from the previous release still finds its files: they stay until
`grace` seconds after their release was replaced. A file of the same name is replaced atomically.
Exit 0, or 1 with the reason on stderr. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from groundcrew.remote.published import LISTS, expire, files, publish


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
