"""Restores an application from a backup, step by step. Each step can be repeated.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from groundcrew.remote.backup_files import FilesError
from groundcrew.remote.backup_open import (
    Place,
    app_files,
    choose,
    close_all,
    fetch,
    make_namespace,
    open_source,
)
from groundcrew.remote.backup_plan import FOLDER, Plan, lock, noted
from groundcrew.remote.backup_run import module_of, say
from groundcrew.remote.backup_source import make_folder
from groundcrew.remote.backup_store import Snapshot, Store
from groundcrew.remote.commands import run
from groundcrew.remote.drill_app import answer, live_release
from groundcrew.remote.maintenance_metric import metric_path, metric_text
from groundcrew.remote.private_file import write_private

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.backups import KeptRestore, Replacement, StepAnswer

Data = dict[str, Any]
PLACE = Place("restore")
RESTORES = f"{FOLDER}/restores"
"""Restores by application: `APP.json` while one has not ended, `APP.MARK.done` afterwards."""

FILES = "files"


class RestoreError(Exception):
    """A restore cannot begin or go on; the message says why and what to do."""


def store_of(plan: Plan, request: Data) -> Store:
    """The target and repository that a request names. Raises RestoreError."""
    try:
        store = plan.target(request["target"])
    except ValueError as error:
        raise RestoreError(str(error)) from None
    if request["from"]:
        return store._replace(host=request["from"])
    return store


def wanted(plan: Plan, request: Data) -> list[tuple[str, Data | None]]:
    """The sets of this host that a restore needs: name, and the source; None for files."""
    app, part = request["app"], request["part"]
    sets: list[tuple[str, Data | None]] = [
        (source["title"], source)
        for source in plan.sources
        if app in source["apps"] and part in (None, source["title"])
    ]
    if app in plan.apps and part in (None, FILES):
        sets.append((f"app:{app}", None))
    return sets


def describe(plan: Plan, request: Data) -> list[Replacement]:
    """What a restore would replace by which backup: the dry run."""
    store = store_of(plan, request)
    note = _note(request["app"])
    begun = note.get("chosen", {}) if note.get("request") == _same(request) else {}
    parts = wanted(plan, request)
    known = store.snapshots() if parts else []
    chosen = [(name, source, _chosen(store, known, (name, source), request["at"], begun))
              for name, source in parts]  # fmt: skip
    return [
        {
            "set": name,
            "target": store.name,
            "until": _until(snapshot, request, source is not None),
            "replaces": _replaces(plan, request["app"], name, source),
        }
        for name, source, snapshot in chosen
    ]


def _until(snapshot: Snapshot, request: Data, server: bool) -> float:
    return min(snapshot.until, request["at"] or snapshot.until) if server else snapshot.until


def _replaces(plan: Plan, app: str, name: str, source: Data | None) -> str:
    if source is None:
        return ", ".join(plan.apps[app]["replaced"])
    return f"what {app} has in {name}"


def _note_path(app: str) -> str:
    return f"{RESTORES}/{app}.json"


def _note(app: str) -> Data:
    """What is noted about a restore that has not ended: `request`, `mark`, `chosen` (set -> ID of
    its backup), `putting` (whether it has begun to replace) and `put` (what it has replaced). Empty
    if there is none."""
    try:
        with open(_note_path(app), encoding="utf-8") as file:
            note: Data = json.load(file)
    except FileNotFoundError:
        return {}
    return note


def _write_note(note: Data) -> None:
    write_private(_note_path(note["request"]["app"]), json.dumps(note))


def _same(request: Data) -> Data:
    return {key: request[key] for key in ("app", "part", "at", "target", "from")}


def _begin(plan: Plan, request: Data) -> Data:
    """The note of the restore: that of one that has not ended, if it is the same. Another one that
    has replaced nothing yet is given up."""
    make_folder(RESTORES, 0o700)
    before = _note(request["app"])
    if before and before["request"] == _same(request):
        return before
    if before.get("putting"):
        options = ", ".join(f"{key}={value}" for key, value in before["request"].items() if value)
        raise RestoreError(f"another restore has not ended: run it again first ({options})")
    if before:
        close_all(plan, PLACE)
        _remove_staging(plan, before)
    mark = time.strftime("%Y%m%dt%H%M%S", time.gmtime())
    note = {"request": _same(request), "mark": mark, "chosen": {}, "putting": False, "put": []}
    _write_note(note)
    return note


def _chosen(
    store: Store,
    known: Sequence[Snapshot],
    part: tuple[str, Data | None],
    at: float | None,
    begun: Data,
) -> Snapshot:
    """The backup of a set, among those that the target has. A restore that goes on takes the one
    that it has begun with: meanwhile, what is half replaced may have been backed up."""
    name, source = part
    if name not in begun:
        return choose(store, known, name, at, source)
    matching = [item for item in known if (item.set, item.id) == (name, begun[name])]
    if not matching:
        raise RestoreError(
            f"target {store.name} no longer has the backup {begun[name][:8]} of {name} that this "
            "restore has begun with"
        )
    return matching[0]


def prepare(plan: Plan, request: Data) -> StepAnswer:
    """Fetches the backups and starts scratch servers. Nothing live changes."""
    store = store_of(plan, request)
    parts = wanted(plan, request)
    if not parts:
        return {"mark": None}
    with lock("restore", wait=False):
        note = _begin(plan, request)
        make_folder(FOLDER, 0o711)
        make_folder(PLACE.folder, 0o711)
        make_folder(f"{PLACE.folder}/restored", 0o700)
        make_namespace(PLACE)
        for name, source in parts:
            if name in note["put"]:
                continue
            # Read for each: old ones may be removed while another one is fetched.
            known = store.snapshots()
            chosen = _chosen(store, known, (name, source), request["at"], note["chosen"])
            note["chosen"][name] = chosen.id
            _write_note(note)
            if source is None:
                fetch(store, chosen, _staging(plan, request["app"], note["mark"]))
                continue
            module_of(source).close_scratch(source["request"], PLACE.scratch(name))
            restored = fetch(store, chosen, PLACE.restored(name))
            say(f"{name}: starting a server with the backup")
            open_source(PLACE, source, restored, request["at"])
    return {"mark": note["mark"]}


def put(plan: Plan, request: Data) -> StepAnswer:
    """Replaces what is live. The application must have been stopped."""
    parts = wanted(plan, request)
    if not parts:
        return {"mark": None, "replaced": []}
    app = request["app"]
    with lock("work", wait=True), lock("restore", wait=False):
        note = _begin(plan, request)
        note["putting"] = True
        _write_note(note)
        replaced: list[str] = note.setdefault("replaced", [])
        for name, source in parts:
            if name in note["put"]:
                continue
            say(f"{name}: replacing what is live")
            replaced += _put(plan, request, name, source, note["mark"])
            note["put"].append(name)
            _write_note(note)
        close_all(plan, PLACE)
        _remove_staging(plan, note)
        write_private(
            f"{RESTORES}/{app}.{note['mark']}.done",
            json.dumps({"replaced": replaced, "part": request["part"]}),
        )
        os.unlink(_note_path(app))
        # From now on, this host makes backups: what it has is what was restored.
        with noted() as state:
            state["restored"] = {"app": app, "mark": note["mark"]}
    return {"mark": note["mark"], "replaced": replaced}


def _put(plan: Plan, request: Data, name: str, source: Data | None, mark: str) -> list[str]:
    """Replaces a set. Returns a line for each thing that it has replaced."""
    if source is None:
        return _put_files(plan, request["app"], mark)
    lines = module_of(source).put_back(source["request"], request["app"], PLACE.scratch(name), mark)
    return list(lines)


def _remove_staging(plan: Plan, note: Data) -> None:
    app = note["request"]["app"]
    if app in plan.apps:
        with suppress(FileNotFoundError):
            shutil.rmtree(_staging(plan, app, note["mark"]))


def _staging(plan: Plan, app: str, mark: str) -> str:
    """Directory for fetched files, on the file system that they will be on."""
    return f"{plan.apps[app]['root']}/.restored-{mark}"


def _kept(plan: Plan, app: str, mark: str) -> str:
    return f"{plan.apps[app]['root']}/.before-{mark}"


def _put_files(plan: Plan, name: str, mark: str) -> list[str]:
    app = plan.apps[name]
    staging, kept = _staging(plan, name, mark), _kept(plan, name, mark)
    make_folder(kept, 0o700)
    if os.path.lexists(staging + app["shared"]):
        app_files(name, app, staging)
    replaced = []
    for path in app["replaced"]:
        if os.path.ismount(path):
            raise FilesError(
                f"{path} is a volume of its own: copy what is in {staging}{path} there by hand"
            )
        before, new = os.path.join(kept, os.path.basename(path)), staging + path
        if os.path.lexists(new):
            if os.path.lexists(path):
                # A run after an interruption may have made a directory in its place.
                os.rename(path, f"{before}.later" if os.path.lexists(before) else before)
            os.rename(new, path)
        if os.path.lexists(before):
            replaced.append(f"{path} is kept as {before}")
    return replaced


def forget(plan: Plan, request: Data) -> StepAnswer:
    """Removes what a restore has kept."""
    app, mark = request["app"], request["mark"]
    done = f"{RESTORES}/{app}.{mark}.done"
    if not os.path.exists(done):
        marks = ", ".join(item["mark"] for item in kept() if item["app"] == app and item["mark"])
        raise RestoreError(
            f"nothing is kept of a restore {mark} of {app}"
            + (f"; there is {marks}" if marks else "")
        )
    for source in plan.sources:
        if app in source["apps"]:
            module_of(source).forget(source["request"], app, mark)
    if app in plan.apps:
        with suppress(FileNotFoundError):
            shutil.rmtree(_kept(plan, app, mark))
    os.unlink(done)
    return {"removed": True}


def kept() -> list[KeptRestore]:
    """Restores whose replaced data is still kept, and those that have not ended."""
    restores: list[KeptRestore] = []
    for name in sorted(os.listdir(RESTORES)) if os.path.isdir(RESTORES) else ():
        app, _, rest = name.partition(".")
        if rest == "json":
            restores.append({"app": app, "mark": None})
        elif rest.endswith(".done"):
            restores.append({"app": app, "mark": rest[: -len(".done")]})
    return restores


def stop(plan: Plan, request: Data) -> StepAnswer:
    """Stops the application on this host, and notes what ran. Visitors see the maintenance page."""
    app = plan.apps.get(request["app"])
    if app is None:
        return {"stopped": []}
    with lock("work", wait=True):
        # A backup that runs would keep visitors waiting: the data is replaced after it.
        make_folder(RESTORES, 0o700)
    path = f"{RESTORES}/{request['app']}.units"
    if not os.path.exists(path):
        write_private(path, json.dumps(_running(request["app"])))
    with open(path, encoding="utf-8") as file:
        units = json.load(file)
    if os.path.isdir(app["maintenance"]) and not os.path.lexists(app["flag"]):
        write_private(app["flag"], '{"by": "restore"}\n', 0o644)
        write_private(metric_path(request["app"]), metric_text(request["app"]), 0o644)
        write_private(f"{RESTORES}/{request['app']}.flag", "")
    _hold(units, path)
    if units:
        run_all("stop", units)
    return {"stopped": units}


def start(plan: Plan, request: Data) -> StepAnswer:
    """Starts what `stop` has stopped."""
    app = plan.apps.get(request["app"])
    path = f"{RESTORES}/{request['app']}.units"
    if app is None or not os.path.exists(path):
        return {"started": []}
    with open(path, encoding="utf-8") as file:
        units = json.load(file)
    _release(units)
    if units:
        run_all("start", units)
        _await_answer(request["app"], app, units)
    flag = f"{RESTORES}/{request['app']}.flag"
    if os.path.exists(flag):
        for name in (app["flag"], metric_path(request["app"])):
            with suppress(FileNotFoundError):
                os.unlink(name)
        os.unlink(flag)
    os.unlink(path)
    return {"started": units}


def _await_answer(name: str, app: Data, units: list[str]) -> None:
    """Returns when the live release answers. Raises RestoreError if it does not."""
    release = live_release(app["root"])
    if f"{name}@{release}.service" not in units:
        return
    path = f"{app['runtime']}/{release}.sock"
    deadline = time.monotonic() + app["drill"]["timeout"]
    while (why := answer(app, f"{app['root']}/releases/{release}", path)) is not None:
        if time.monotonic() > deadline:
            raise RestoreError(f"{name} has its data, but does not answer: {why}")
        time.sleep(0.2)


def _drop_in(unit: str) -> str:
    return f"/etc/systemd/system/{unit}.d/groundcrew-restore.conf"


def _hold(units: list[str], path: str) -> None:
    """Units do not start before the restore has ended, which the absence of `path` says: not at a
    reboot in the middle of it either."""
    for unit in units:
        write_private(_drop_in(unit), f"[Unit]\nConditionPathExists=!{path}\n", 0o644)
    run("systemctl", "daemon-reload")


def _release(units: list[str]) -> None:
    """Lets units start again."""
    for unit in units:
        with suppress(FileNotFoundError):
            os.unlink(_drop_in(unit))
        with suppress(OSError):
            os.rmdir(os.path.dirname(_drop_in(unit)))
    run("systemctl", "daemon-reload")


def _running(app: str) -> list[str]:
    """The units of an application that run: servers, workers, timers, and sockets."""
    patterns = [f"{app}@*.service", f"{app}.*@*.service", f"{app}.*@*.timer", f"{app}.socket"]
    shown = run("systemctl", "list-units", "--plain", "--no-legend", "--full",
                "--state=active,activating", *patterns).stdout  # fmt: skip
    return sorted(line.split()[0] for line in shown.splitlines() if line.strip())


def run_all(verb: str, units: list[str]) -> None:
    """Starts or stops units. Raises RestoreError."""
    result = subprocess.run(
        ["systemctl", verb, *units], check=False, capture_output=True, text=True, timeout=900
    )
    if result.returncode != 0:
        raise RestoreError(f"systemctl {verb} failed: {result.stderr.strip()}")
