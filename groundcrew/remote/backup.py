"""Backups of this host: the program that timers and playbooks run.

Runs on the host as root, as `python3 -IS /usr/local/lib/groundcrew/backup.py COMMAND`:

    run KIND      makes backups: `full`, `daily` or `logs`
    check         checks the repositories
    drill [NAME]  makes a drill with the target NAME, by default the one whose last drill is oldest
    tidy          removes what an interrupted drill has left
    fits          fails if the key does not open the repositories that there are
    first         makes the first backup, if there is none
    list          prints the snapshots (JSON)
    report        prints what verify and status show (JSON); asks no target
    before        makes a backup of an application before its release hooks; request and answer are
                  those of the steps below
    describe, prepare, stop, put, start, forget
                  the steps of a restore; the request is JSON, the answer one line of JSON

Exit 1 with the reasons on stderr if something fails. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from groundcrew.remote.backup_before import before
from groundcrew.remote.backup_drill import drill, tidy
from groundcrew.remote.backup_plan import Plan, read_plan, read_state
from groundcrew.remote.backup_restore import (
    describe,
    forget,
    kept,
    prepare,
    put,
    start,
    stop,
)
from groundcrew.remote.backup_run import FAILURES, KINDS, check, complain, fits, is_new, run
from groundcrew.remote.printable import all_printable

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.backups import Listing, Moments, ProgramReport, Replacement, StepAnswer

# Each of them ends with one line of JSON.
STEPS: dict[str, Callable[[Plan, dict[str, Any]], Moments | StepAnswer | list[Replacement]]] = {
    "before": before,
    "describe": describe,
    "prepare": prepare,
    "stop": stop,
    "put": put,
    "start": start,
    "forget": forget,
}


def listed(plan: Plan) -> Listing:
    """All snapshots of this host, and the names of all hosts at the targets that tell."""
    return {
        "backups": [
            {"target": store.name, "set": item.set, "until": item.until, "id": item.id[:8]}
            for store in plan.targets
            for item in store.snapshots()
        ],
        "hosts": {store.name: store.hosts() for store in plan.targets},
    }


def report(plan: Plan) -> ProgramReport:
    """What became of the backups, and what they should consist of."""
    servers = [item["title"] for item in plan.sources]
    return {
        "state": read_state(),
        "sets": [*servers, *(f"app:{name}" for name in plan.apps), "host"],
        "servers": servers,
        "kept": kept(),
        "new": is_new(plan),
    }


def execute(plan: Plan, command: str, words: list[str]) -> int:
    """Runs a command. Returns the exit status."""
    if command == "run" and words and words[0] in KINDS:
        tidy(plan)
        return run(plan, words[0])
    if command == "tidy":
        tidy(plan)
        return 0
    if command == "fits":
        return fits(plan)
    if command == "check":
        return check(plan)
    if command == "drill":
        return drill(plan, words[0] if words else None)
    if command == "first":
        return run(plan, "full") if is_new(plan) else 0
    if command == "list":
        print(json.dumps(all_printable(listed(plan))))
        return 0
    if command == "report":
        print(json.dumps(all_printable(report(plan))))
        return 0
    if command in STEPS:
        answer: Moments | StepAnswer | list[Replacement] = STEPS[command](
            plan, json.loads(words[0])
        )
        print(json.dumps(all_printable(answer)))
        return 0
    print(__doc__, file=sys.stderr)
    return 2


def main() -> int:
    """Runs the command of the command line."""
    os.umask(0o077)
    try:
        return execute(read_plan(), sys.argv[1] if sys.argv[1:] else "", sys.argv[2:])
    except FAILURES as error:
        complain(str(error) or type(error).__name__)
        return 1


if __name__ == "__main__":
    sys.exit(main())
