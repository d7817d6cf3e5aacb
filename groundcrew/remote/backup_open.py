"""Opens backups: fetches snapshots, and starts scratch servers with them.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from groundcrew.remote.backup_files import (
    OWNERS,
    FilesError,
    copies_of,
    is_inside,
    owners,
    read_owners,
)
from groundcrew.remote.backup_plan import FOLDER, Plan, lock
from groundcrew.remote.backup_run import FAILURES, complain, module_of, say
from groundcrew.remote.backup_source import Opened, Scratch, make_folder
from groundcrew.remote.backup_store import Snapshot, Store, StoreError, newest
from groundcrew.remote.commands import run

Data = dict[str, Any]


class Place(NamedTuple):
    """Where backups are opened."""

    name: str
    """`drill` or `restore`."""

    @property
    def folder(self) -> str:
        """Directory of everything. Only root can change it."""
        return f"{FOLDER}/{self.name}"

    @property
    def namespace(self) -> str:
        """The network namespace of the scratch servers."""
        return f"/run/netns/groundcrew-{self.name}"

    @property
    def slice(self) -> str:
        """The slice of all that runs."""
        return f"groundcrew-{self.name}.slice"

    def restored(self, title: str) -> str:
        """Directory of a fetched set. Only root can enter it."""
        return f"{self.folder}/restored/{title.replace(':', '.')}"

    def scratch(self, title: str) -> Scratch:
        """Where a scratch server runs."""
        name = f"groundcrew-{self.name}-{title}"
        return Scratch(f"{self.folder}/{title}", name, self.namespace, self.slice)


def choose(
    store: Store,
    known: Sequence[Snapshot],
    set_name: str,
    at: float | None,
    source: Data | None = None,
) -> Snapshot:
    """The snapshot of a set for a moment, among all of a target; `source` is its server. Raises
    StoreError if there is none."""
    exact = source is not None and getattr(module_of(source), "EXACT", True)
    chosen = newest([item for item in known if item.set == set_name], at, exact)
    if chosen is None:
        when = " from that time or before" if at is not None else ""
        raise StoreError(f"target {store.name} has no backup of {set_name} of {store.host}{when}")
    return chosen


def fetch(store: Store, chosen: Snapshot, folder: str) -> str:
    """Fetches a snapshot into a directory that only root can enter, unless it is there already.
    Returns the directory."""
    done = os.path.join(folder, ".fetched")
    try:
        with open(done, encoding="ascii") as file:
            if file.read() == chosen.id:
                return folder
    except OSError:
        pass
    if os.path.lexists(folder):
        shutil.rmtree(folder)
    make_folder(folder, 0o700)
    say(f"{chosen.set}: fetching the backup from {store.name}")
    # Meanwhile, nothing is removed there.
    with lock(f"store-{store.name}", wait=True, shared=True):
        store.restore(chosen, folder)
    for path in chosen.paths:
        if not os.path.lexists(folder + path):
            raise StoreError(f"target {store.name}: its backup of {chosen.set} lacks {path}")
    with open(done, "w", encoding="ascii") as file:
        file.write(chosen.id)
    return folder


def make_namespace(place: Place) -> None:
    """Makes a network namespace with nothing but a loopback interface. Raises OSError."""
    name = os.path.basename(place.namespace)
    if not os.path.exists(place.namespace):
        # In the host's own mount namespace, which this program may not be in.
        result = run("systemd-run", "--quiet", "--wait", "--pipe", "--collect",
                     "ip", "netns", "add", name)  # fmt: skip
        if result.returncode != 0:
            raise OSError(f"no network namespace: {result.stderr.strip()}")
    result = run("systemd-run", "--quiet", "--wait", "--pipe", "--collect",
                 "ip", "-n", name, "link", "set", "lo", "up")  # fmt: skip
    if result.returncode != 0:
        raise OSError(f"no loopback interface: {result.stderr.strip()}")


def open_source(place: Place, source: Data, restored: str, at: float | None) -> Opened:
    """A scratch server with a fetched set."""
    scratch = place.scratch(source["title"])
    make_folder(scratch.folder, 0o711)
    opened: Opened = module_of(source).open_scratch(source["request"], restored, scratch, at)
    return opened


def close_all(plan: Plan, place: Place) -> None:
    """Stops the scratch servers and removes everything, also what an interrupted one has left."""
    for source in plan.sources:
        try:
            module_of(source).close_scratch(source["request"], place.scratch(source["title"]))
        except FAILURES as error:
            complain(f"{source['title']}: {error}")
    run("systemctl", "stop", place.slice)
    if os.path.exists(place.namespace):
        run("systemd-run", "--quiet", "--wait", "--pipe", "--collect",
            "ip", "netns", "delete", os.path.basename(place.namespace))  # fmt: skip
    if os.path.isdir(place.folder):
        shutil.rmtree(place.folder)


@contextmanager
def opened_place(plan: Plan, place: Place) -> Iterator[None]:
    """A place that is empty before and after."""
    close_all(plan, place)
    make_folder(FOLDER, 0o711)
    make_folder(place.folder, 0o711)
    make_folder(f"{place.folder}/restored", 0o700)
    make_namespace(place)
    try:
        yield
    finally:
        close_all(plan, place)


def app_files(name: str, app: Data, restored: str) -> str:
    """The shared directory of a fetched application, with its SQLite databases in place and with
    the numbers of this host's users. Returns its path. Raises FilesError."""
    shared: str = restored + app["shared"]
    if not os.path.isdir(shared) or os.path.islink(shared):
        raise FilesError(f"the backup of {name} has no {app['shared']}")
    _merge(restored + copies_of(name), shared)
    _own(shared, _numbers(name, app, restored))
    return shared


def _merge(copies: str, shared: str) -> None:
    """Moves copies of databases to their places. An application has named them: no link on the way
    is followed."""
    if not os.path.isdir(copies):
        return
    for root, folders, files in os.walk(copies):
        folders.sort()
        for item in sorted(files):
            path = os.path.join(root, item)
            relative = os.path.relpath(path, copies)
            if not is_inside(relative):
                raise FilesError(f"the backup has a file {relative}")
            target = _folder_of(shared, os.path.dirname(relative))
            end = os.path.join(target, item)
            if os.path.isdir(end) and not os.path.islink(end):
                raise FilesError(f"{relative} is a directory and a database")
            os.replace(path, end)


def _folder_of(shared: str, relative: str) -> str:
    folder = shared
    for part in filter(None, relative.split("/")):
        folder = os.path.join(folder, part)
        if not os.path.lexists(folder):
            os.mkdir(folder, 0o700)
        if os.path.islink(folder) or not os.path.isdir(folder):
            raise FilesError(f"{relative} leads elsewhere")
    return folder


def _numbers(name: str, app: Data, restored: str) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Users and groups: number in the backup -> number on this host."""
    before, now = read_owners(f"{restored}{OWNERS}/{name}"), owners(app)
    users = {before[key][0]: now[key][0] for key in now if key in before}
    groups = {before[key][1]: now[key][1] for key in now if key in before}
    return users, groups


def _own(folder: str, numbers: tuple[Mapping[int, int], Mapping[int, int]]) -> None:
    users, groups = numbers
    for root, folders, files in os.walk(folder):
        for path in (root, *(os.path.join(root, item) for item in (*folders, *files))):
            state = os.lstat(path)
            user = users.get(state.st_uid, state.st_uid)
            group = groups.get(state.st_gid, state.st_gid)
            if (user, group) != (state.st_uid, state.st_gid):
                os.lchown(path, user, group)
                if not os.path.islink(path):
                    # A changed owner takes these bits away.
                    os.chmod(path, state.st_mode & 0o7777)
