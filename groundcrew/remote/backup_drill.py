"""The drill: restores the newest backup into scratch servers, starts the live release of each
application against them without a network, and asks it.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from groundcrew.remote.backup_open import (
    Place,
    app_files,
    choose,
    close_all,
    fetch,
    open_source,
    opened_place,
)
from groundcrew.remote.backup_plan import BusyError, Plan, lock, noted, now, read_state
from groundcrew.remote.backup_run import FAILURES, complain, made_here, module_of, say
from groundcrew.remote.backup_store import Lock, Snapshot, Store, StoreError
from groundcrew.remote.drill_app import commands, start, stop, stop_all

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.backups import BackupState, Drill, DrilledApp, LastDrill

Data = dict[str, Any]
PLACE = Place("drill")
ROOM = 1.2
"""Room that a drill needs, as a multiple of the size of what it restores."""


def drill(plan: Plan, target: str | None = None) -> int:
    """Makes a drill with a target, by default with the one whose last drill is oldest. Returns the
    exit status."""
    store = plan.target(target) if target else _oldest(plan)
    began = now()
    report: Drill = {
        "at": began, "target": store.name, "problems": [], "sources": {}, "apps": {}, "seconds": 0,
    }  # fmt: skip
    with lock("drill", wait=False):
        try:
            _enough_room(store)
            stop_all()
            _locks(store, report["problems"])
            with opened_place(plan, PLACE):
                try:
                    _drill(plan, store, report)
                finally:
                    stop_all()
        except FAILURES as error:
            report["problems"].append(str(error) or type(error).__name__)
    report["seconds"] = round(now() - began, 1)
    _judge(plan, report)
    with noted() as state:
        state["drill"] = report
        state.setdefault("drills", {})[store.name] = {
            "at": began, "good": not report["problems"],
        }  # fmt: skip
        if not report["problems"]:
            state["last_good_drill"] = began
    for text in report["problems"]:
        complain(f"drill: {text}")
    if not report["problems"]:
        say(f"drill: everything is there, after {report['seconds']} s")
    return 1 if report["problems"] else 0


def tidy(plan: Plan) -> None:
    """Removes what a drill has left that was killed, or that the host's end has interrupted."""
    left = (PLACE.folder, PLACE.namespace)
    with suppress(BusyError), lock("drill", wait=False):
        if any(os.path.exists(path) for path in left):
            stop_all()
            close_all(plan, PLACE)


def _oldest(plan: Plan) -> Store:
    drills = read_state().get("drills", {})
    never: LastDrill = {"at": 0, "good": False}
    return min(plan.targets, key=lambda store: drills.get(store.name, never)["at"])


def _enough_room(store: Store, set_name: str | None = None) -> None:
    """Raises StoreError if a set has no room; by default, if all but those of applications have
    none, whose files are there only while one of them runs."""
    sets = read_state().get("sets", {})
    wanted = [key for key in sets if not key.startswith("app:")] if set_name is None else [set_name]
    stored = [sets[key][store.name] for key in wanted if store.name in sets.get(key, {})]
    size = sum(item.get("bytes") or 0 for item in stored)
    folder = os.path.dirname(PLACE.folder)
    free = shutil.disk_usage(folder if os.path.isdir(folder) else "/").free
    if size * ROOM > free:
        raise StoreError(
            f"no room for a drill: it needs {int(size * ROOM) >> 20} MiB in {folder}, which has "
            f"{free >> 20} MiB left"
        )


def _drill(plan: Plan, store: Store, report: Drill) -> None:
    started = time.monotonic()
    binds: dict[str, Mapping[str, str]] = {}
    problems = report["problems"]
    known = _known(store)
    for source in plan.sources:
        title = source["title"]
        try:
            problems += [f"{title}: {line}" for line in _missing(source)]
            restored, chosen, content = _fetched(known, title)
            opened = open_source(PLACE, source, restored, None)
            binds[title] = opened.binds
            report["sources"][title] = {
                "rpo": round(report["at"] - chosen.until),
                "version": opened.version,
                "last": opened.until,
            }
            problems += [f"{title}: {line}" for line in _compared(source, content)]
        except FAILURES as error:
            problems.append(f"{title}: {str(error) or type(error).__name__}")
    for name, app in plan.apps.items():
        try:
            report["apps"][name] = _drill_app(known, name, app, binds, started)
        except FAILURES as error:
            problems.append(f"{name}: {str(error) or type(error).__name__}")
    _host_files(plan, known, problems)


def _locks(store: Store, problems: list[str]) -> None:
    """Removes locks whose program is gone, and tells those that another one holds."""
    try:
        # Nothing of this host uses the repository: whatever holds a lock is a stranger.
        with lock(f"store-{store.name}", wait=False):
            held = _left(store)
    except BusyError:
        held = [item for item in _left(store) if item.host != socket.gethostname()]
    problems += [
        f"target {store.name} is locked: {item.text}. If that is gone, its lock counts as left "
        "behind half an hour after it was last renewed"
        for item in held
    ]


def _left(store: Store) -> list[Lock]:
    """The locks that are left when those of dead programs have been removed."""
    before = store.locks()
    if not before:
        return []
    store.unlock()
    left = store.locks()
    for item in before:
        if item.id not in {other.id for other in left}:
            say(f"target {store.name} had a lock that was left behind: {item.text}")
    return left


class Known(NamedTuple):
    """The backups at a target, which are read once for all sets."""

    store: Store
    snapshots: tuple[Snapshot, ...]
    states: tuple[BackupState, BackupState]
    """What was noted before and after they were read."""


def _known(store: Store) -> Known:
    before = read_state()
    snapshots = tuple(store.snapshots())
    return Known(store, snapshots, (before, read_state()))


def _newest(known: Known, set_name: str) -> tuple[Snapshot, Data]:
    """The newest backup of a set, and what it contains, if that was noted. Raises StoreError if it
    is not the one that this host has stored last."""
    store = known.store
    chosen = choose(store, known.snapshots, set_name, None)
    noted = made_here(set_name, store.name, chosen.until, chosen.id, known.states)
    if noted is None:
        raise StoreError(
            f"target {store.name}: its newest backup, {chosen.id[:8]}, is not the last one that "
            "this host has stored there: another program has stored one, or some are gone"
        )
    return chosen, dict(noted.get("content") or {})


def _fetched(known: Known, set_name: str) -> tuple[str, Snapshot, Data]:
    """Fetches the newest backup of a set. Returns its directory, itself, and what it contains."""
    store = known.store
    chosen, content = _newest(known, set_name)
    try:
        return fetch(store, chosen, PLACE.restored(set_name)), chosen, content
    except StoreError:
        # A drill takes its time: meanwhile a newer one may have been stored, and this one removed.
        later, content = _newest(_known(store), set_name)
        if later.id == chosen.id:
            raise
    return fetch(store, later, PLACE.restored(set_name)), later, content


def _missing(source: Data) -> list[str]:
    """The gaps in a server's copies on this host, unless they are being made at the moment."""
    module = module_of(source)
    if not hasattr(module, "missing"):
        return []
    try:
        with lock("work", wait=False):
            return list(module.missing(source["request"]))
    except BusyError:
        return []
    except FAILURES as error:
        return [str(error) or type(error).__name__]


def _compared(source: Data, content: Data) -> list[str]:
    """What a scratch server lacks of what its backup was said to contain."""
    module = module_of(source)
    if not content or not hasattr(module, "compare"):
        return []
    return list(module.compare(source["request"], PLACE.scratch(source["title"]), content))


def _host_files(plan: Plan, known: Known, problems: list[str]) -> None:
    """The host's own files, such as logins and certificates, are there."""
    try:
        restored, _, _ = _fetched(known, "host")
        problems += [f"host: {path} is not in the backup" for path in plan.paths
                     if os.path.lexists(path) and not os.path.lexists(restored + path)]  # fmt: skip
    except FAILURES as error:
        problems.append(f"host: {str(error) or type(error).__name__}")


def _drill_app(
    known: Known,
    name: str,
    app: Data,
    binds: Mapping[str, Mapping[str, str]],
    started: float,
) -> DrilledApp:
    """Starts an application against what was restored, and asks it."""
    _enough_room(known.store, f"app:{name}")
    try:
        return _drill_files(known, name, app, binds, started)
    finally:
        stop(name)
        # Another application may need the room.
        shutil.rmtree(PLACE.restored(f"app:{name}"), ignore_errors=True)


def _drill_files(
    known: Known,
    name: str,
    app: Data,
    binds: Mapping[str, Mapping[str, str]],
    started: float,
) -> DrilledApp:
    restored, chosen, _ = _fetched(known, f"app:{name}")
    for path in app["secrets"]:
        if os.path.lexists(path) and not os.path.lexists(restored + path):
            raise StoreError(f"the secret {os.path.basename(path)} is not in the backup")
    # The directory that it is in can be entered by root alone; the unit gets it bound.
    shared = app_files(name, app, restored)
    report: DrilledApp = {"rpo": round(now() - chosen.until)}
    missing = [title for title in app["sources"] if title not in binds]
    if missing:
        raise StoreError(f"not started: {', '.join(missing)} could not be restored")
    if app["elsewhere"]:
        report["not_started"] = f"its data is on {', '.join(app['elsewhere'])}"
        return report
    own = {key: value for title in app["sources"] for key, value in binds[title].items()}
    report["started"] = start(name, app, PLACE, {**own, app["shared"]: shared})
    report["rto"] = round(time.monotonic() - started, 1)
    try:
        commands(name, app, PLACE, {**own, app["shared"]: shared})
    except StoreError as error:
        if read_state().get("last_good_drill"):
            raise
        hint = "no drill has been good yet: does the command fail while there is no data?"
        raise StoreError(f"{error}; {hint}") from None
    return report


def _judge(plan: Plan, report: Drill) -> None:
    """Adds what is too old or too slow."""
    for title, item in report["sources"].items():
        if item["rpo"] > plan.rpo:
            report["problems"].append(
                f"{title}: the newest backup is {item['rpo']} s old, and rpo is {plan.rpo:.0f} s"
            )
    for name, app in report["apps"].items():
        if app.get("rto", 0) > plan.rto:
            report["problems"].append(
                f"{name}: it served after {app['rto']} s, and rto is {plan.rto:.0f} s"
            )
