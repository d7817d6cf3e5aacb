"""Replaces a set of files on a host as one change: all of them, or none.

Runs on the host as `python3 -c SCRIPT` with a JSON payload on stdin, so that neither content nor
secrets ever appear in argv. Standard library only, Python 3.9 or later.

Payload: {"entries": [ENTRY, ...], "validate": COMMAND or null}
ENTRY:   {"kind": "file", "path", "content" (base64), "mode", "user", "group",
          "validate": COMMAND with {} for the staged path, or null; "secret": bool,
          "generated": [{"token", "store": PATH, "length", "alphabet"}],
          "within": DIRECTORY or null}
         {"kind": "directory", "path", "mode", "user", "group", "default_mode": mode or null}
         {"kind": "link", "path", "target"}
         {"kind": "absent", "path"}

Exit 0 and one line per change on stdout; exit 1 with the reason on stderr and every path as it was.
"""

from __future__ import annotations

import base64
import grp
import json
import os
import pwd
import secrets
import shlex
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from groundcrew.remote.default_mode import adopt, default_mode, set_default_mode

Entry = dict[str, Any]


class ChangeError(Exception):
    """The change cannot be made; the message says why."""


def user_id(user: str | int) -> int:
    """The numeric id of a user given by name or number."""
    if isinstance(user, int) or user.isdigit():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ChangeError(f"no such user: {user}") from None


def group_id(group: str | int) -> int:
    """The numeric id of a group given by name or number."""
    if isinstance(group, int) or group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ChangeError(f"no such group: {group}") from None


def snapshot(path: str) -> Entry:
    """The entry that would put `path` back as it is now."""
    try:
        state = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"kind": "absent", "path": path}
    if stat.S_ISLNK(state.st_mode):
        return {"kind": "link", "path": path, "target": os.readlink(path)}
    owned = {
        "path": path,
        "mode": f"{stat.S_IMODE(state.st_mode):04o}",
        "user": state.st_uid,
        "group": state.st_gid,
    }
    if stat.S_ISDIR(state.st_mode):
        return {"kind": "directory", **owned}
    if stat.S_ISREG(state.st_mode):
        content = base64.b64encode(Path(path).read_bytes()).decode()
        return {"kind": "file", "content": content, **owned}
    raise ChangeError(f"{path} is neither a file, a directory nor a link")


def sync_directory(path: str) -> None:
    """Makes renames in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def beside(path: str, purpose: str) -> str:
    """A hidden, unused name in the directory of `path`, which drop-in directories skip."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.groundcrew-{purpose}-{secrets.token_hex(8)}")


def generated(item: Entry) -> bytes:
    """The value behind a token: made up when it is first needed, and kept where root alone reads.

    It is on the disk before it is used, so that it stays the same ever after.
    """
    store = item["store"]
    try:
        return Path(store).read_bytes()
    except FileNotFoundError:
        pass
    value = "".join(secrets.choice(item["alphabet"]) for _ in range(item["length"])).encode()
    directory = os.path.dirname(store)
    os.makedirs(directory, 0o700, exist_ok=True)
    staged = beside(store, "new")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(value)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(staged, store)
    sync_directory(directory)
    return value


def content_of(entry: Entry) -> bytes:
    """A file's content, with what this host has made up in the place of its tokens."""
    content = base64.b64decode(entry["content"])
    for item in entry.get("generated") or ():
        content = content.replace(item["token"].encode(), generated(item))
    return content


def stays_within(path: str, root: str) -> bool:
    """Whether no link on the way to `path` leads out of `root`."""
    real = os.path.realpath(os.path.dirname(path))
    return f"{real}/".startswith(f"{os.path.realpath(root)}/")


def stage(entry: Entry) -> str:
    """Writes a file beside its target, private until it has its final owner and mode."""
    uid, gid = user_id(entry["user"]), group_id(entry["group"])
    if os.path.isdir(entry["path"]) and not os.path.islink(entry["path"]):
        raise ChangeError(f"{entry['path']} is a directory, a file is to be written there")
    if entry.get("within") and not stays_within(entry["path"], entry["within"]):
        raise ChangeError(f"{entry['path']}: a link leads out of {entry['within']}")
    staged = beside(entry["path"], "new")
    content = content_of(entry)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(staged, flags, 0o600)
    except FileNotFoundError:
        raise ChangeError(f"the directory of {entry['path']} does not exist") from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchown(stream.fileno(), uid, gid)
            os.fchmod(stream.fileno(), int(entry["mode"], 8))
            os.fsync(stream.fileno())
    except BaseException:
        os.unlink(staged)
        raise
    return staged


def validate_staged(entry: Entry, staged: str) -> None:
    """Runs the entry's own validator on the staged file."""
    command = entry["validate"].replace("{}", shlex.quote(staged))
    run_validator(command, entry["path"], hide_output=entry.get("secret", False))


def run_validator(command: str, subject: str, hide_output: bool = False) -> None:
    """Raises ChangeError with the validator's output unless it exits 0."""
    result = subprocess.run(
        command,
        shell=True,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if result.returncode != 0:
        output = "(output hidden: secret)" if hide_output else result.stdout + result.stderr
        raise ChangeError(f"{subject}: refused by `{in_short(command)}`:\n{output.rstrip()}")


def in_short(command: str) -> str:
    """The beginning of a command: some carry a whole program."""
    return textwrap.shorten(command, width=60, placeholder=" ...")


def make_directory(entry: Entry) -> None:
    """Creates a directory, or corrects its owner and mode."""
    path, uid, gid = entry["path"], user_id(entry["user"]), group_id(entry["group"])
    if os.path.lexists(path):
        if os.path.islink(path) or not os.path.isdir(path):
            raise ChangeError(f"{path} exists and is not a directory")
    else:
        try:
            os.mkdir(path, 0o700)
        except FileNotFoundError:
            raise ChangeError(f"the directory of {path} does not exist") from None
    os.chown(path, uid, gid)
    os.chmod(path, int(entry["mode"], 8))
    default = entry.get("default_mode")
    if default and default_mode(path) != default:
        set_default_mode(path, int(default, 8))
        adopt(path, gid, int(default, 8))


def make_link(entry: Entry) -> None:
    """Points a symbolic link at its target by renaming a new one over it."""
    path = entry["path"]
    if os.path.isdir(path) and not os.path.islink(path):
        raise ChangeError(f"{path} is a directory, a link is to be made there")
    staged = beside(path, "new")
    os.symlink(entry["target"], staged)
    os.replace(staged, path)


class Change:
    """One set of entries on its way to the disk, and the way back."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.staged: dict[str, str] = {}
        self.undo: list[Entry] = []
        self.set_aside: dict[str, str] = {}

    def of_kind(self, kind: str) -> list[Entry]:
        """The entries of one kind, in the order given."""
        return [entry for entry in self.entries if entry["kind"] == kind]

    def remember(self, path: str) -> None:
        """Notes how `path` is now, so that `put_back` can restore it."""
        self.undo.append(snapshot(path))

    def apply(self, validate: str | None) -> None:
        """Makes the change; on any error everything is put back and the error raised."""
        try:
            self.make()
            if validate:
                run_validator(validate, "the new files together")
        except BaseException as error:
            self.discard_staged()
            try:
                self.put_back()
            except OSError as second:
                raise ChangeError(f"{error}\nPutting it back failed: {second}") from error
            raise
        for aside in self.set_aside.values():
            shutil.rmtree(aside, ignore_errors=True)

    def discard_staged(self) -> None:
        """Removes the staged files that were not renamed into place."""
        for staged in self.staged.values():
            if os.path.lexists(staged):
                os.unlink(staged)

    def make(self) -> None:
        """Directories, then all files staged and validated, then everything renamed into place."""
        for entry in self.of_kind("directory"):
            self.remember(entry["path"])
            make_directory(entry)
        for entry in self.of_kind("file"):
            self.staged[entry["path"]] = stage(entry)
        for entry in self.of_kind("file"):
            if entry.get("validate"):
                validate_staged(entry, self.staged[entry["path"]])
        for entry in self.of_kind("file"):
            self.remember(entry["path"])
            os.replace(self.staged[entry["path"]], entry["path"])
        for entry in self.of_kind("link"):
            self.remember(entry["path"])
            make_link(entry)
        for entry in self.of_kind("absent"):
            self.remove(entry["path"])
        for directory in {os.path.dirname(entry["path"]) for entry in self.entries}:
            if os.path.isdir(directory):
                sync_directory(directory)

    def remove(self, path: str) -> None:
        """Removes a file or link; a directory is renamed aside until the change is accepted."""
        if os.path.isdir(path) and not os.path.islink(path):
            self.set_aside[path] = beside(path, "old")
            os.rename(path, self.set_aside[path])
        elif os.path.lexists(path):
            self.remember(path)
            os.unlink(path)

    def put_back(self) -> None:
        """Restores every path touched so far, last one first."""
        for path, aside in self.set_aside.items():
            os.rename(aside, path)
        for entry in reversed(self.undo):
            restore(entry)


def restore(entry: Entry) -> None:
    """Makes one path what a snapshot says it was."""
    if entry["kind"] == "file":
        os.replace(stage(entry), entry["path"])
    elif entry["kind"] == "directory":
        make_directory(entry)
    elif entry["kind"] == "link":
        make_link(entry)
    elif os.path.isdir(entry["path"]) and not os.path.islink(entry["path"]):
        os.rmdir(entry["path"])
    elif os.path.lexists(entry["path"]):
        os.unlink(entry["path"])


def main() -> int:
    """Reads the payload, makes the change, reports it."""
    payload = json.load(sys.stdin)
    try:
        Change(payload["entries"]).apply(payload.get("validate"))
    except (ChangeError, OSError) as error:
        sys.stderr.write(f"{error}\nNothing was changed.\n")
        return 1
    for entry in payload["entries"]:
        sys.stdout.write(f"{entry['kind']} {entry['path']}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
