"""Reports the state of many paths at once.

Runs on the host as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"paths": [...], "globs":
[[DIRECTORY, PATTERN], ...], "content": bool, "generated": {PATH: {TOKEN: STORE}}}, the last two
only where needed. Prints one line of JSON: PATH -> {"kind": file|directory|link|other, "mode",
"user", "group", "default_mode" (directories that have one), "sha256" (files), "target" (links),
"content" (base64, if requested)}. A generated value is hashed as its token; STORE holds the value.
Paths that do not exist are left out; paths that match a glob are added. Standard library only,
Python 3.9 or later.
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
from typing import TYPE_CHECKING, Any

from groundcrew.remote.default_mode import default_mode
from groundcrew.remote.safe_paths import (
    ITSELF,
    Place,
    UnsafePathError,
    Way,
    by_descriptor,
    is_ours,
    opened,
    readable,
)

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.entries import PathState


def name_of(lookup: Callable[[int], Any], number: int) -> str:
    """The name of a user or group, or its number as text if it has none."""
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


def with_tokens(content: bytes, stores: dict[str, str]) -> bytes:
    """The content, with the values that this host has generated replaced by their tokens."""
    for token, store in stores.items():
        try:
            with opened(store) as place:
                value = place.read()[0]
        except OSError:
            value = b""
        # A token that was never replaced in the file must not look as if it had been.
        content = content.replace(token.encode(), b"")
        if value:
            content = content.replace(value, token.encode())
    return content


def inspect(path: str, with_content: bool, stores: dict[str, str]) -> PathState | None:
    """The state of one path; None if it does not exist."""
    try:
        with opened(path) as place:
            return state_of(place, with_content, stores)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnsafePathError:
        # This state matches no entry, not even an absent one: the change will be refused with the
        # reason.
        return {"kind": "other", "mode": "", "user": "", "group": ""}


def state_of(place: Place, with_content: bool, stores: dict[str, str]) -> PathState:
    """The state of a place. All of it describes the same file, even if it is replaced meanwhile."""
    item = os.open(place.name, ITSELF, dir_fd=place.folder)
    try:
        state = os.fstat(item)
        result: PathState = {
            "kind": "other",
            "mode": f"{stat.S_IMODE(state.st_mode):04o}",
            "user": name_of(pwd.getpwuid, state.st_uid),
            "group": name_of(grp.getgrgid, state.st_gid),
        }
        if stat.S_ISLNK(state.st_mode):
            result["kind"] = "link"
            result["target"] = os.readlink("", dir_fd=item)
        elif stat.S_ISDIR(state.st_mode):
            result["kind"] = "directory"
            default = default_mode(by_descriptor(item))
            if default:
                result["default_mode"] = default
        elif stat.S_ISREG(state.st_mode):
            with os.fdopen(readable(item), "rb") as stream:
                content = stream.read()
            hashed = hashlib.sha256(with_tokens(content, stores))
            result["kind"] = "file"
            result["sha256"] = hashed.hexdigest()
            # It may be another user's file if others can create hard links there.
            shown = state.st_nlink == 1 or is_ours(os.fstat(place.folder))
            if with_content and shown:
                result["content"] = base64.b64encode(content).decode()
    finally:
        os.close(item)
    return result


def matches(directory: str, pattern: str) -> list[str]:
    """The paths in `directory` whose name matches the glob `pattern`."""
    try:
        with Way(directory) as way:
            names = os.listdir(by_descriptor(way.end))
    except (FileNotFoundError, NotADirectoryError, UnsafePathError):
        return []
    return [os.path.join(directory, name) for name in sorted(fnmatch.filter(names, pattern))]


def main() -> int:
    """Prints the states requested in argv[1]."""
    request = json.loads(sys.argv[1])
    paths = list(request["paths"])
    for directory, pattern in request.get("globs", []):
        paths += matches(directory, pattern)
    stores = request.get("generated", {})
    content = request.get("content", False)
    states = {path: inspect(path, content, stores.get(path, {})) for path in paths}
    report: dict[str, PathState] = {path: state for path, state in states.items() if state}
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
