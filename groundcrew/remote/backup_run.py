"""Makes backups, and keeps the repositories in order.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcrew.remote.backup_files import FileSet, of_app, of_host
from groundcrew.remote.backup_plan import FOLDER, Plan, lock, noted, now, read_state
from groundcrew.remote.backup_source import make_folder
from groundcrew.remote.backup_store import OTHER_KEY, Store, StoreError
from groundcrew.remote.printable import printable

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.backups import BackupState, StoredSet

Data = dict[str, Any]
KINDS = ("full", "daily", "logs")
FAILURES = (Exception,)
"""What a backup goes on after. Roles have errors of their own; an error of one must not keep the
others from being stored."""


class Part(NamedTuple):
    """A set that is ready to be stored."""

    files: FileSet
    until: float
    content: Data


def say(text: str) -> None:
    """A line of progress."""
    print(printable(text), flush=True)


def complain(text: str) -> None:
    """A line about a failure."""
    print(printable(text), file=sys.stderr, flush=True)


def module_of(source: Data) -> Any:
    """The module of a role."""
    return importlib.import_module(source["module"])


def held(plan: Plan) -> str | None:
    """Why this host makes no backups: it is new, and its repositories are those of an earlier one.
    None if it may."""
    # A drill that failed is no sign that it has anything.
    if plan.start_anew or any(read_state().get(key) for key in ("sets", "begun", "restored")):
        return None
    for store in plan.targets:
        if store.exists() and store.snapshots():
            return (
                f"target {store.name} has backups of an earlier {plan.host}, and this host is new: "
                "restore them (playbooks/restore.py), or set backup.start_anew: true"
            )
    return None


def run(plan: Plan, kind: str) -> int:
    """Makes backups of a kind: `full`, `daily`, or `logs`. Returns the exit status: what can be
    stored is stored, whatever else fails."""
    make_folder(FOLDER, 0o711)
    make_folder(f"{FOLDER}/copies", 0o711)
    with lock("work", wait=kind != "logs"):
        try:
            why = held(plan)
        except FAILURES as error:
            why = str(error) or type(error).__name__
        if why:
            complain(why)
            return 1
        problems: list[str] = []
        # Applications' files last: however long their copies take, all else is stored by then.
        for make in (_of_all, _of_apps) if kind != "logs" else (_of_all,):
            parts = list(make(plan, kind, problems))
            for store in plan.targets if parts or make is _of_all else ():
                store_at(store, parts, problems)
        problems = list(dict.fromkeys(problems))
        if kind != "logs":
            for store in plan.targets:
                _attempt(f"retention at {store.name}", lambda s=store: _retain(plan, s), problems)  # type: ignore[misc]
        with noted() as state:
            state.setdefault("failed", {})[kind] = problems
            for store in plan.targets:
                space = _space(store)
                state.setdefault("targets", {}).setdefault(store.name, {})["space"] = space
    for text in problems:
        complain(text)
    return 1 if problems else 0


def _attempt(what: str, action: Callable[[], Any], problems: list[str]) -> Any:
    """Does something; what fails is listed, and the rest goes on."""
    try:
        return action()
    except FAILURES as error:
        problems.append(f"{what}: {str(error) or type(error).__name__}")
        return None


def _of_all(plan: Plan, kind: str, problems: list[str]) -> Iterator[Part]:
    """The sets of servers and of the host, each when its copies are ready."""
    for source in plan.sources:
        title = source["title"]
        say(f"{title}: {kind}")
        part = _attempt(title, lambda s=source: of_source(s, kind), problems)  # type: ignore[misc]
        if part:
            yield part
    if kind != "logs":
        yield Part(of_host(plan), now(), {})


def _of_apps(plan: Plan, _: str, problems: list[str]) -> Iterator[Part]:
    """The sets of applications' files, each when its copies are ready."""
    for name, app in plan.apps.items():
        started = now()
        files = _attempt(name, lambda n=name, a=app: of_app(n, a), problems)  # type: ignore[misc]
        if files:
            problems += [f"{name}: {text}" for text in files.problems]
            yield Part(files, started, {})


def of_source(source: Data, kind: str) -> Part:
    """Brings the copies of a server up to date. Raises what its module raises."""
    saved = module_of(source).save(source["request"], kind)
    files = FileSet(source["title"], tuple(saved.paths), ())
    return Part(files, saved.until, dict(saved.content))


class Stored(NamedTuple):
    """A set that a target has accepted."""

    name: str
    id: str
    note: StoredSet
    """What is noted about it once the target is known to have it."""


def store_at(store: Store, parts: Sequence[Part], problems: list[str]) -> None:
    """Stores sets at one target. One that fails keeps no other from being stored, unless the target
    does not answer any more."""
    stored: list[Stored] = []
    reasons: list[str] = []
    with lock(f"store-{store.name}", wait=True, shared=True):
        try:
            store.refuse_silent()
            for part in parts:
                if part.files.paths:
                    _try_to_add(store, part, stored, reasons)
        except FAILURES as error:
            reasons.append(str(error) or type(error).__name__)
        try:
            _confirm(store, stored, reasons)
        except FAILURES as error:
            reasons.append(str(error) or type(error).__name__)
    # A target that is gone says so twice.
    problems += dict.fromkeys(reasons)


def _try_to_add(store: Store, part: Part, stored: list[Stored], reasons: list[str]) -> None:
    """Stores a set. Raises StoreError if the target does not answer."""
    try:
        made, lacks = _add(store, part)
    except FAILURES as error:
        reasons.append(str(error) or type(error).__name__)
        # restic goes on trying for long: the others are not tried in vain.
        store.exists()
        return
    stored.append(made)
    if lacks:
        reasons.append(f"{part.files.name}: its backup at {store.name} is not whole: {lacks}")


def _add(store: Store, part: Part) -> tuple[Stored, str | None]:
    """Stores a set. Returns it, and what it lacks."""
    began = time.monotonic()
    name = part.files.name
    begun: StoredSet = {"until": part.until, "content": part.content}
    with noted() as state:
        # If this ends right after the target has the backup, a drill still knows whose it is.
        state.setdefault("begun", {}).setdefault(name, {})[store.name] = begun
    summary = store.add(name, part.files.paths, part.until, part.files.without)
    seconds = time.monotonic() - began
    say(f"{name}: stored at {store.name}, {summary.get('data_added', 0)} new bytes")
    note: StoredSet = {
        **begun,
        "at": now(),
        "seconds": round(seconds, 1),
        "bytes": summary.get("total_bytes_processed"),
        "added": summary.get("data_added"),
        "snapshot": summary["snapshot_id"],
    }
    return Stored(name, summary["snapshot_id"], note), summary.get("lacks")


def _confirm(store: Store, stored: Sequence[Stored], problems: list[str]) -> None:
    """Reads the records of sets back, all in one, and notes those that are there."""
    if not stored:
        return
    missing = store.missing([item.id for item in stored])
    with noted() as state:
        for item in stored:
            if item.id in missing:
                why = f"target {store.name} accepted the backup of {item.name}, but lost it"
                problems.append(why)
                continue
            state.setdefault("sets", {}).setdefault(item.name, {})[store.name] = item.note


def _retain(plan: Plan, store: Store) -> None:
    with lock(f"store-{store.name}", wait=True):
        store.refuse_silent()
        store.forget(plan.keep)
    with noted() as state:
        state.setdefault("targets", {}).setdefault(store.name, {})["retention"] = now()


def check(plan: Plan) -> int:
    """Checks the repositories. Returns the exit status."""
    problems: list[str] = []
    for store in plan.targets:
        _attempt(f"check of {store.name}", lambda s=store: _check(plan, s), problems)  # type: ignore[misc]
    with noted() as state:
        state.setdefault("failed", {})["check"] = problems
    for text in problems:
        complain(text)
    return 1 if problems else 0


def _check(plan: Plan, store: Store) -> None:
    with lock(f"store-{store.name}", wait=True):
        store.refuse_silent()
        store.check(plan.check_share)
    with noted() as state:
        state.setdefault("targets", {}).setdefault(store.name, {})["check"] = now()


def _space(store: Store) -> tuple[int, int] | None:
    try:
        return store.space()
    except OSError:
        return None


def made_here(
    set_name: str, target: str, until: float, id_: str, states: Sequence[BackupState]
) -> StoredSet | dict[str, Any] | None:
    """What this host has noted about the newest backup of a set at a target; empty if it has stored
    none there yet. None if the backup is not the one that it has stored last. `states` are those
    from before and after the target was asked: another backup may be made meanwhile."""
    own_notes = [
        item
        for state in states
        for sets in (state.get("sets", {}), state.get("begun", {}))
        if (item := sets.get(set_name, {}).get(target))
    ]
    if not own_notes:
        return {}
    fitting = (
        item
        for item in own_notes
        if item["until"] == until and id_.startswith(item.get("snapshot", ""))
    )
    return next(fitting, None)


def fits(plan: Plan) -> int:
    """Whether the key opens the repositories that there are; asked once for each key. Targets that
    do not answer are not asked. Returns the exit status."""
    with open(plan.key, encoding="utf-8") as file:
        mark = hashlib.sha256(file.read().encode()).hexdigest()[:16]
    if read_state().get("key") == mark:
        return 0
    wrong = False
    for store in plan.targets:
        try:
            store.exists()
        except StoreError as error:
            if OTHER_KEY in str(error):
                wrong = True
                complain(f"{error}, or another `path` at the target, where the backups begin anew")
    if wrong:
        return 1
    with noted() as state:
        state["key"] = mark
    return 0


def is_new(plan: Plan) -> bool:
    """Whether this host has made no backup yet."""
    sets = read_state().get("sets", {})
    wanted = {f"app:{name}" for name in plan.apps} | {item["title"] for item in plan.sources}
    return any(
        store.name not in sets.get(name, {}) for store in plan.targets for name in (*wanted, "host")
    )
