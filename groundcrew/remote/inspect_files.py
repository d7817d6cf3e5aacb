"""Reports the state of many paths at once.

Runs on the host as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"paths": [...],
"globs": [[DIRECTORY, PATTERN], ...], "content": bool, "generated": {PATH: {TOKEN: STORE}}}, the
last two only where needed. Prints one line of JSON: PATH -> {"kind": file|directory|link|other,
"mode", "user", "group", "default_mode" (directories that have one), "sha256" (files), "target"
(links), "content" (base64, when asked for)}. A generated value is hashed as its token; STORE holds
the value. A path that does not exist is left out; what a glob matches is added.
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

from groundcrew.remote.default_mode import default_mode


def name_of(lookup: Callable[[int], Any], number: int) -> str:
    """The name of a user or group, or its number as text where it has none."""
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


def with_tokens(content: bytes, stores: dict[str, str]) -> bytes:
    """The content with tokens in the place of the values that this host has made up."""
    for token, store in stores.items():
        try:
            value = Path(store).read_bytes()
        except OSError:
            value = b""
        # A token in the file itself was never replaced: it must not look as if it had been.
        content = content.replace(token.encode(), b"")
        if value:
            content = content.replace(value, token.encode())
    return content


def inspect(path: str, with_content: bool, stores: dict[str, str]) -> dict[str, str] | None:
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
        default = default_mode(path)
        if default:
            result.update(default_mode=default)
    elif stat.S_ISREG(state.st_mode):
        content = Path(path).read_bytes()
        hashed = hashlib.sha256(with_tokens(content, stores))
        result.update(kind="file", sha256=hashed.hexdigest())
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
    stores = request.get("generated", {})
    content = request.get("content", False)
    states = {path: inspect(path, content, stores.get(path, {})) for path in paths}
    print(json.dumps({path: state for path, state in states.items() if state}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
