"""What should be at a path: the pure half of `groundcrew.operations.files`."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypedDict


@dataclass(frozen=True)
class Generated:
    """A value that the host makes up when it first needs it, and keeps at `store`.

    `token` stands for it in contents here: what the host reads and writes has the value in its
    place, and its hash is that of the content with the token.
    """

    token: str
    store: str
    length: int
    alphabet: str


@dataclass(frozen=True)
class File:
    """A file with its whole content, in which the host puts what is `generated`.

    `validate` is a shell command with `{}` for the staged file's path, run before the file replaces
    the live one. The content of a `secret` file is never printed. A file `within` a directory that
    others than root may change is only written where no link leads out of it.
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
        """Leaves the content out: it is long, and may be a secret."""
        return f"File({self.path!r})"

    @property
    def data(self) -> bytes:
        """The content as bytes."""
        return self.content.encode() if isinstance(self.content, str) else self.content


@dataclass(frozen=True)
class Directory:
    """A directory; its parent must exist or be listed before it.

    `default_mode` is the mode of directories that are made in it, and files get it less the x bits,
    whatever the umask of who makes them (a default ACL); the group of what is in it already is
    changed too when it is first set.
    """

    path: str
    mode: str = "0755"
    user: str = "root"
    group: str = "root"
    default_mode: str | None = None


@dataclass(frozen=True)
class Link:
    """A symbolic link at `path` that points to `target`.

    An `initial` one is only made where there is no link yet; where it leads later is not ours to
    say.
    """

    path: str
    target: str
    initial: bool = False


@dataclass(frozen=True)
class Absent:
    """Nothing at `path`; a directory is removed with all it holds."""

    path: str


@dataclass(frozen=True)
class Purge:
    """Removes what matches the glob `pattern` in `directory`.

    The names in `keep` stay, and so does every path that another entry of the same call describes.
    """

    directory: str
    pattern: str
    keep: tuple[str, ...] = ()


PathEntry = File | Directory | Link | Absent
Entry = PathEntry | Purge


class PathState(TypedDict, total=False):
    """What is at a path now; `groundcrew/remote/inspect_files.py` says what the keys mean."""

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
    """The entries, every Purge turned into the existing paths that it removes."""
    listed = {entry.path for entry in entries if not isinstance(entry, Purge)}
    resolved: list[PathEntry] = []
    for entry in entries:
        if isinstance(entry, Purge):
            resolved += [Absent(path) for path in _purged(entry, states) if path not in listed]
        else:
            resolved.append(entry)
    return resolved


def _purged(purge: Purge, states: States) -> list[str]:
    found = []
    for path in sorted(states):
        directory, name = posixpath.split(path)
        matches = directory == purge.directory and fnmatch.fnmatchcase(name, purge.pattern)
        if matches and name not in purge.keep:
            found.append(path)
    return found


def differs(entry: PathEntry, state: PathState | None) -> bool:
    """Whether a path has to be changed to become what its entry says."""
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
    """The entries that the host does not fulfil yet."""
    return [entry for entry in resolve(entries, states) if differs(entry, states.get(entry.path))]


def normal_mode(mode: str) -> str:
    """Four octal digits."""
    return f"{int(mode, 8):04o}"


def payload(entry: PathEntry) -> dict[str, Any]:
    """The entry as `groundcrew/remote/apply_files.py` reads it."""
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
    """Where a host finds the values behind the tokens: file -> token -> store."""
    return {
        entry.path: {item.token: item.store for item in entry.generated}
        for entry in entries
        if isinstance(entry, File) and entry.generated
    }
