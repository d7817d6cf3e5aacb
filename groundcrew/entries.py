"""The wanted state of paths: the pure part of `groundcrew.operations.files`."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypedDict


@dataclass(frozen=True)
class Generated:
    """A value that the host generates when it is first needed, and keeps at `store`.

    `token` stands for the value in contents here. The host replaces it with the value when it
    writes the file, and hashes the content with the token. With `length` 0 something else stores
    the value, and the file cannot be written before that.
    """

    token: str
    store: str
    length: int
    alphabet: str


@dataclass(frozen=True)
class File:
    """A file with its whole content, in which the host fills in the `generated` values.

    `validate` is a shell command with `{}` for the path of the staged file, run before the file
    replaces the live one. The content of a `secret` file is never printed. A file `within` a
    directory that users other than root may change is only written if no link leads out of that
    directory.
    """

    path: str
    content: str | bytes
    mode: str = "0644"
    user: str = "root"
    group: str = "root"
    secret: bool = False
    validate: str | None = None
    generated: tuple[Generated, ...] = ()
    within: str | None = None

    def __repr__(self) -> str:
        """Omits the content: it is long and may be secret."""
        return f"File({self.path!r})"

    @property
    def data(self) -> bytes:
        """The content as bytes."""
        return self.content.encode() if isinstance(self.content, str) else self.content


@dataclass(frozen=True)
class Directory:
    """A directory; its parent must exist or be listed before it.

    `default_mode` is the mode of new directories in it, and without the x bits that of new files,
    regardless of their creator's umask (a default ACL). When it is first set, existing entries get
    the mode and the group too.
    """

    path: str
    mode: str = "0755"
    user: str = "root"
    group: str = "root"
    default_mode: str | None = None


@dataclass(frozen=True)
class Link:
    """A symbolic link at `path` that points to `target`.

    An `initial` link is only created if there is none; its target may change later.
    """

    path: str
    target: str
    initial: bool = False


@dataclass(frozen=True)
class Absent:
    """Nothing at `path`; a directory is removed with everything in it."""

    path: str


@dataclass(frozen=True)
class Purge:
    """Removes the paths in `directory` that match the glob `pattern`.

    The names in `keep` stay, and so does every path that another entry of the same call describes.
    """

    directory: str
    pattern: str
    keep: tuple[str, ...] = ()


PathEntry = File | Directory | Link | Absent
Entry = PathEntry | Purge


def named(entry: PathEntry) -> str:
    """An entry for people: what it is, and where."""
    return f"{type(entry).__name__} {entry.path}"


class PathState(TypedDict, total=False):
    """The current state of a path; `groundcrew/remote/inspect_files.py` documents the keys."""

    kind: str
    mode: str
    default_mode: str
    user: str
    group: str
    sha256: str
    target: str
    content: str


States = Mapping[str, PathState]


def resolve(entries: Sequence[Entry], states: States) -> list[PathEntry]:
    """The entries, each once, with every Purge replaced by the existing paths that it removes.
    Raises ValueError if two files have the same path."""
    entries = list(dict.fromkeys(entries))
    files = Counter(entry.path for entry in entries if isinstance(entry, File))
    twice = [path for path, count in files.items() if count > 1]
    if twice:
        raise ValueError(f"two different files for {', '.join(twice)}")
    listed = {entry.path for entry in entries if not isinstance(entry, Purge)}
    resolved: list[PathEntry] = []
    for entry in entries:
        if isinstance(entry, Purge):
            resolved += [Absent(path) for path in _purged(entry, states) if path not in listed]
        else:
            resolved.append(entry)
    return resolved


def _purged(purge: Purge, states: States) -> list[str]:
    stale = []
    for path in sorted(states):
        directory, name = posixpath.split(path)
        matches = directory == purge.directory and fnmatch.fnmatchcase(name, purge.pattern)
        if matches and name not in purge.keep:
            stale.append(path)
    return stale


def differs(entry: PathEntry, state: PathState | None) -> bool:
    """Whether a path must be changed to match its entry."""
    if isinstance(entry, Absent):
        return state is not None
    if state is None:
        return True
    if isinstance(entry, Link):
        return state["kind"] != "link" or not (entry.initial or state["target"] == entry.target)
    if (normal_mode(entry.mode), entry.user, entry.group) != (
        state["mode"],
        state["user"],
        state["group"],
    ):
        return True
    if isinstance(entry, Directory):
        wanted = entry.default_mode and normal_mode(entry.default_mode)
        return state["kind"] != "directory" or wanted not in (None, state.get("default_mode"))
    return state["kind"] != "file" or state["sha256"] != hashlib.sha256(entry.data).hexdigest()


def changes(entries: Sequence[Entry], states: States) -> list[PathEntry]:
    """The entries that the host does not match yet."""
    return [entry for entry in resolve(entries, states) if differs(entry, states.get(entry.path))]


def normal_mode(mode: str) -> str:
    """A mode as four octal digits."""
    return f"{int(mode, 8):04o}"


def payload(entry: PathEntry) -> dict[str, Any]:
    """The entry in the format of `groundcrew/remote/apply_files.py`."""
    if isinstance(entry, Absent):
        return {"kind": "absent", "path": entry.path}
    if isinstance(entry, Link):
        return {"kind": "link", "path": entry.path, "target": entry.target}
    owned = {
        "path": entry.path,
        "mode": normal_mode(entry.mode),
        "user": entry.user,
        "group": entry.group,
    }
    if isinstance(entry, Directory):
        default = entry.default_mode and normal_mode(entry.default_mode)
        return {"kind": "directory", "default_mode": default, **owned}
    return {
        "kind": "file",
        **owned,
        "content": base64.b64encode(entry.data).decode(),
        "secret": entry.secret,
        "validate": entry.validate,
        "generated": [asdict(item) for item in entry.generated],
        "within": entry.within,
    }


def tokens(entries: Sequence[Entry]) -> dict[str, dict[str, str]]:
    """The files on the host with the values of tokens: file -> token -> store."""
    return {
        entry.path: {item.token: item.store for item in entry.generated}
        for entry in entries
        if isinstance(entry, File) and entry.generated
    }
