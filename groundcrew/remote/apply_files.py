"""Replaces a set of files on a host as one transaction: all of them or none.

Runs on the host as `python3 -c SCRIPT` with a JSON payload on stdin, so that neither content nor
secrets ever appear in argv. Standard library only, Python 3.9 or later.

Payload: {"entries": [ENTRY, ...], "validate": COMMAND or null}
ENTRY:   {"kind": "file", "path", "content" (base64), "mode", "user", "group",
          "validate": COMMAND with {} for the staged path, or null; "secret": bool,
          "generated": [{"token", "store": PATH, "length" (0 if never made up), "alphabet"}],
          "within": DIRECTORY or null}
         {"kind": "directory", "path", "mode", "user", "group", "default_mode": mode or null}
         {"kind": "link", "path", "target"}
         {"kind": "absent", "path"}

A path's directory is opened once, and all work is done relative to it. Users who can write to a
parent directory can replace the directory, but cannot redirect the change. Links on the way are
followed only if root alone can have created them, see safe_paths.py. Exit 0 and one line per change
on stdout; exit 1 with the reason on stderr and every path as it was.
"""

from __future__ import annotations

import base64
import grp
import json
import os
import pwd
import secrets
import shlex
import stat
import subprocess
import sys
import textwrap
from contextlib import suppress
from typing import Any

from groundcrew.remote.default_mode import adopt, default_mode, set_default_mode
from groundcrew.remote.printable import printable
from groundcrew.remote.safe_paths import Folders, Place, by_descriptor, opened

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
    """The entry that restores `path` to its current state."""
    try:
        with opened(path) as place:
            return state_of(place)
    except (FileNotFoundError, NotADirectoryError):
        return {"kind": "absent", "path": path}


def state_of(place: Place) -> Entry:
    """The entry that restores a place to its current state."""
    path, state = place.path, place.state
    if state is None:
        return {"kind": "absent", "path": path}
    if stat.S_ISLNK(state.st_mode):
        target = os.readlink(place.name, dir_fd=place.folder)
        return {"kind": "link", "path": path, "target": target}
    content = {}
    if stat.S_ISREG(state.st_mode):
        data, state = place.read()
        content = {"content": base64.b64encode(data).decode()}
    elif not stat.S_ISDIR(state.st_mode):
        raise ChangeError(f"{path} is neither a file, a directory nor a link")
    return {
        "kind": "file" if content else "directory",
        "path": path,
        "mode": f"{stat.S_IMODE(state.st_mode):04o}",
        "user": state.st_uid,
        "group": state.st_gid,
        **content,
    }


def beside(place: Place, purpose: str) -> Place:
    """A hidden, unused name in the same directory; drop-in directories ignore it."""
    return place.sibling(f".{place.name}.groundcrew-{purpose}-{secrets.token_hex(8)}")


def is_directory(place: Place) -> bool:
    """Whether the place is a directory, and not a link to one."""
    return place.state is not None and stat.S_ISDIR(place.state.st_mode)


def rename(place: Place, target: Place) -> None:
    """Renames one place to another, replacing what is there."""
    os.replace(place.name, target.name, src_dir_fd=place.folder, dst_dir_fd=target.folder)


def unlink(place: Place) -> None:
    """Removes the file or link at a place, if there is one."""
    if place.state is not None:
        os.unlink(place.name, dir_fd=place.folder)


def write_new(place: Place, content: bytes, uid: int, gid: int, mode: int) -> None:
    """Creates a file. It is private to root until it has its owner and mode, and is synced to
    disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(place.name, flags, 0o600, dir_fd=place.folder)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchown(stream.fileno(), uid, gid)
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
    except BaseException:
        unlink(place)
        raise


def generated(item: Entry) -> bytes:
    """The value of a token. It is generated when first needed, and stored where only root can read
    it.

    It is written to disk before it is used, so that it never changes.
    """
    folders = Folders()
    try:
        store = folders.place(item["store"], create=0o700)
        if store.state is not None:
            return store.read()[0]
        if not item["length"]:
            raise ChangeError(f"{item['store']} does not exist: run deploy.py, which provides it")
        value = "".join(secrets.choice(item["alphabet"]) for _ in range(item["length"])).encode()
        staged = beside(store, "new")
        write_new(staged, value, os.geteuid(), os.getegid(), 0o600)
        rename(staged, store)
        folders.sync()
        return value
    finally:
        folders.close()


def content_of(entry: Entry) -> bytes:
    """A file's content, with tokens replaced by the values that this host has generated."""
    content = base64.b64decode(entry["content"])
    for item in entry.get("generated") or ():
        content = content.replace(item["token"].encode(), generated(item))
    return content


def stage(entry: Entry, place: Place) -> Place:
    """Writes a file beside its target; it is private until it has its final owner and mode."""
    uid, gid = user_id(entry["user"]), group_id(entry["group"])
    if is_directory(place):
        raise ChangeError(f"{entry['path']} is a directory, but must be a file")
    staged = beside(place, "new")
    write_new(staged, content_of(entry), uid, gid, int(entry["mode"], 8))
    return staged


def validate_staged(entry: Entry, staged: Place) -> None:
    """Runs the entry's own validator on the staged file."""
    command = entry["validate"].replace("{}", shlex.quote(staged.reliable))
    run_validator(command, entry["path"], hide_output=entry.get("secret", False))


def run_validator(command: str, subject: str, hide_output: bool = False) -> None:
    """Runs a validator. Raises ChangeError with its output unless it exits with 0."""
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
    """The beginning of a command: some contain a whole program."""
    return textwrap.shorten(command, width=60, placeholder=" ...")


def make_directory(entry: Entry, place: Place) -> None:
    """Creates a directory, or corrects its owner and mode."""
    uid, gid = user_id(entry["user"]), group_id(entry["group"])
    with suppress(FileExistsError):
        os.mkdir(place.name, 0o700, dir_fd=place.folder)
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        directory = os.open(place.name, flags, dir_fd=place.folder)
    except OSError:
        path = entry["path"]
        kind = stat.S_IFMT(os.lstat(place.name, dir_fd=place.folder).st_mode)
        if kind == stat.S_IFLNK:
            raise ChangeError(
                f"{path} is a link, which is not followed here; to have it on another disk, make "
                f"it a directory and mount there: mount --bind PLACE {path}, and in /etc/fstab"
            ) from None
        raise ChangeError(f"{path} exists and is not a directory") from None
    try:
        os.fchown(directory, uid, gid)
        os.fchmod(directory, int(entry["mode"], 8))
        default = entry.get("default_mode")
        if default and default_mode(directory) != default:
            set_default_mode(directory, int(default, 8))
            adopt(directory, gid, int(default, 8))
    finally:
        os.close(directory)


def make_link(entry: Entry, place: Place) -> None:
    """Points a symbolic link at its target by renaming a new one over it."""
    if is_directory(place):
        raise ChangeError(f"{entry['path']} is a directory, but must be a link")
    staged = beside(place, "new")
    os.symlink(entry["target"], staged.name, dir_fd=staged.folder)
    rename(staged, place)


def remove_tree(place: Place) -> None:
    """Removes a directory and everything in it, as far as possible."""
    command = ["rm", "-rf", "--", f"{by_descriptor(place.folder)}/{place.name}"]
    subprocess.run(command, check=False, stderr=subprocess.DEVNULL, pass_fds=[place.folder])


class Change:
    """A transaction over a set of entries, and its rollback.

    Each directory is opened once: if it is replaced later, the replacement is not touched.
    """

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.folders = Folders()
        self.staged: dict[str, Place] = {}
        self.undo: list[tuple[Entry, Place]] = []
        self.set_aside: list[tuple[Place, Place]] = []

    def of_kind(self, kind: str) -> list[Entry]:
        """The entries of one kind, in the order given."""
        return [entry for entry in self.entries if entry["kind"] == kind]

    def place(self, entry: Entry) -> Place:
        """The place that the entry's path refers to. Raises ChangeError if its directory does not
        exist."""
        try:
            return self.folders.place(entry["path"], entry.get("within"))
        except (FileNotFoundError, NotADirectoryError):
            raise ChangeError(f"the directory of {entry['path']} does not exist") from None

    def remember(self, place: Place) -> None:
        """Records the current state of a place, so that `put_back` can restore it."""
        self.undo.append((state_of(place), place))

    def apply(self, validate: str | None) -> None:
        """Makes the change. On any error, everything is restored and the error is raised."""
        try:
            self.make()
            if validate:
                run_validator(validate, "the new files together")
        except BaseException as error:
            try:
                self.discard_staged()
                self.put_back()
            except OSError as second:
                raise ChangeError(f"{error}\nPutting it back failed: {second}") from error
            raise
        else:
            for _, aside in self.set_aside:
                remove_tree(aside)
        finally:
            self.folders.close()

    def discard_staged(self) -> None:
        """Removes the staged files that were not renamed into place."""
        for staged in self.staged.values():
            unlink(staged)

    def make(self) -> None:
        """Creates directories, stages and validates all files, then renames everything into
        place."""
        for entry in self.of_kind("directory"):
            self.remember(self.place(entry))
            make_directory(entry, self.place(entry))
        files = self.of_kind("file")
        for entry in files:
            self.staged[entry["path"]] = stage(entry, self.place(entry))
        for entry in files:
            if entry.get("validate"):
                validate_staged(entry, self.staged[entry["path"]])
        for entry in files:
            self.remember(self.place(entry))
            rename(self.staged[entry["path"]], self.place(entry))
        for entry in self.of_kind("link"):
            self.remember(self.place(entry))
            make_link(entry, self.place(entry))
        for entry in self.of_kind("absent"):
            self.remove(entry)
        self.folders.sync()

    def remove(self, entry: Entry) -> None:
        """Removes a file or link; a directory is only renamed until the change is accepted."""
        try:
            place = self.folders.place(entry["path"])
        except (FileNotFoundError, NotADirectoryError):
            return
        if is_directory(place):
            aside = beside(place, "old")
            rename(place, aside)
            self.set_aside.append((place, aside))
        elif place.state is not None:
            self.remember(place)
            unlink(place)

    def put_back(self) -> None:
        """Restores every path touched so far, in reverse order."""
        for place, aside in self.set_aside:
            rename(aside, place)
        for entry, place in reversed(self.undo):
            restore(entry, place)


def restore(entry: Entry, place: Place) -> None:
    """Restores one place from its snapshot."""
    if entry["kind"] == "file":
        rename(stage(entry, place), place)
    elif entry["kind"] == "directory":
        make_directory(entry, place)
    elif entry["kind"] == "link":
        make_link(entry, place)
    elif is_directory(place):
        os.rmdir(place.name, dir_fd=place.folder)
    else:
        unlink(place)


def main() -> int:
    """Reads the payload, makes the change, and reports it."""
    payload = json.load(sys.stdin)
    try:
        Change(payload["entries"]).apply(payload.get("validate"))
    except (ChangeError, OSError) as error:
        # Validators may quote the content that they read.
        sys.stderr.write(printable(f"{error}\nNothing was changed.\n"))
        return 1
    for entry in payload["entries"]:
        sys.stdout.write(f"{entry['kind']} {entry['path']}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
