"""Reports the state of many paths at once.

Runs on the host as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"paths": [...],
"globs": [[DIRECTORY, PATTERN], ...], "content": bool}. Prints one line of JSON: PATH -> {"kind":
file|directory|link|other, "mode", "user", "group", "sha256" (files), "target" (links), "content"
(base64, when asked for)}. A path that does not exist is left out; what a glob matches is added.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import base64
import fnmatch
import grp
import hashlib
import json
import os
import pwd
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def name_of(lookup: Callable[[int], Any], number: int) -> str:
    """The name of a user or group, or its number as text where it has none."""
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


def inspect(path: str, with_content: bool) -> dict[str, str] | None:
    """The state of one path, or None where there is nothing."""
    try:
        state = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    result = {
        "kind": "other",
        "mode": f"{stat.S_IMODE(state.st_mode):04o}",
        "user": name_of(pwd.getpwuid, state.st_uid),
        "group": name_of(grp.getgrgid, state.st_gid),
    }
    if stat.S_ISLNK(state.st_mode):
        result.update(kind="link", target=os.readlink(path))
    elif stat.S_ISDIR(state.st_mode):
        result.update(kind="directory")
    elif stat.S_ISREG(state.st_mode):
        content = Path(path).read_bytes()
        result.update(kind="file", sha256=hashlib.sha256(content).hexdigest())
        if with_content:
            result.update(content=base64.b64encode(content).decode())
    return result


def matches(directory: str, pattern: str) -> list[str]:
    """The paths in `directory` whose name matches the glob `pattern`."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [os.path.join(directory, name) for name in sorted(fnmatch.filter(names, pattern))]


def main() -> int:
    """Prints the states asked for in argv[1]."""
    request = json.loads(sys.argv[1])
    paths = list(request["paths"])
    for directory, pattern in request.get("globs", []):
        paths += matches(directory, pattern)
    states = {path: inspect(path, request.get("content", False)) for path in paths}
    print(json.dumps({path: state for path, state in states.items() if state}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
