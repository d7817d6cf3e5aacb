"""Backs an application up before something changes its data.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from groundcrew.remote.backup_files import of_app
from groundcrew.remote.backup_plan import Plan, lock, now, read_state
from groundcrew.remote.backup_run import Part, held, module_of, of_source, store_at
from groundcrew.remote.backup_store import StoreError

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.backups import Moments

Data = dict[str, Any]


def before(plan: Plan, request: Data) -> Moments:
    """Stores what an application has now: with `exact`, what can be restored to any moment up to
    now, else what is restored as of its last backup. With `first`, nothing of it may exist yet: if
    nothing has ever been stored, nothing is. Returns the times up to which everything is in the
    backups, all of which are over. Raises StoreError."""
    app = request["app"]
    sources = [item for item in plan.sources
               if app in item["apps"] and is_exact(item) == request["exact"]]  # fmt: skip
    files = app in plan.apps and not request["exact"]
    names = [item["title"] for item in sources] + [f"app:{app}"] * files
    known = read_state().get("sets", {})
    if not names or (request["first"] and not known.keys() & set(names)):
        return {"moments": []}
    with lock("work", wait=True):
        began = now()
        why = held(plan)
        if why:
            raise StoreError(why)
        parts = [of_source(item, "logs") for item in sources]
        if files:
            parts.append(Part(of_app(app, plan.apps[app]), began, {}))
        problems: list[str] = []
        for store in plan.targets:
            store_at(store, parts, problems)
    if problems:
        raise StoreError("; ".join(problems))
    moments = [part.until for part in parts]
    # Some logs have no fractions of seconds: what follows must not be in the same second.
    time.sleep(max(0.0, int(max(moments, default=0)) + 1 - time.time()))
    return {"moments": moments}


def is_exact(source: Data) -> bool:
    """Whether any moment up to its last backup can be restored."""
    return bool(getattr(module_of(source), "EXACT", True))
