"""What renewals on this host are made of, and what became of them.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from groundcrew.remote.app_files import RELEASE, show_units
from groundcrew.remote.maintenance_metric import FOLDER as METRICS
from groundcrew.remote.private_file import write_private
from groundcrew.remote.replaced_files import INIT, pending

Data = dict[str, Any]
FOLDER = "/etc/groundcrew/renewal"
PLAN = f"{FOLDER}/plan.json"
APPS = "/etc/groundcrew/apps"
"""What the host knows about applications, one file each."""

STATE = "/var/lib/groundcrew/renewal.json"
METRIC = f"{METRICS}/renewal.prom"
"""How many units still run replaced files after a renewal, in Prometheus' text format."""

PACKAGES = "/var/lib/dpkg/status"
APP_UNIT = re.compile(
    rf"(?P<app>[a-z][a-z0-9-]*)(\.(?P<part>[^@.]+))?@(?P<release>{RELEASE.pattern})"
    r"(?P<number>\.[0-9]+)?\.service"
)
"""A unit of a release: of its server, or, with a part, of a worker or timer."""

DROPS = "a restart drops connections (renewal.servers is off)"
UNKNOWN = "groundcrew does not know how to restart it: reboot the host, or restart it yourself"
STILL = "it was restarted, and still runs them"


class RenewalError(Exception):
    """A unit could not be renewed; the message says why, and what serves now."""


class Task(NamedTuple):
    """How a unit is renewed: as a part of an application, or as a role says."""

    unit: str
    app: str = ""
    how: Data = {}  # noqa: RUF012 - never changed
    why_not: str = ""
    """Why it is left alone; empty if it is renewed."""


def read_plan(path: str = PLAN) -> Data:
    """The plan of this host: {"units": [{"unit", "module", "command", "drops"}], "servers": bool,
    "window": seconds}."""
    return _read(path)


def read_app(name: str, folder: str = APPS) -> Data:
    """What is known about an application, see `groundcrew/releases/steps/renewal.py`."""
    return _read(f"{folder}/{name}.json")


def read_state(path: str = STATE) -> Data:
    """What became of earlier renewals: {"units": {UNIT: {"packages", "why": text or null}}}."""
    return _read(path) if os.path.exists(path) else {"units": {}}


def write_state(state: Data, path: str = STATE) -> None:
    """Stores it."""
    write_private(path, json.dumps(state, indent=1))


def write_metric(units: int, path: str = METRIC) -> None:
    """Stores how many units still run replaced files."""
    write_private(path, f"groundcrew_outdated_units {units}\n", 0o644)


def packages(path: str = PACKAGES) -> str:
    """Changes whenever packages are installed, which only root can do."""
    stat = os.stat(path)
    return f"{stat.st_mtime_ns}.{stat.st_size}"


def waiting() -> dict[str, list[str]]:
    """Units that run replaced files, without those that end by themselves, such as a timer's."""
    units = pending()
    shown = show_units(units, ("Id", "Type")) if units else []
    return {
        unit: units[unit]
        for unit in units.keys() - {item["Id"] for item in shown if item.get("Type") == "oneshot"}
    }


def task(unit: str, plan: Data, apps: list[str]) -> Task:
    """How a unit is renewed."""
    match = APP_UNIT.fullmatch(unit)
    if match and match["app"] in apps:
        return Task(unit, app=match["app"])
    for how in plan["units"]:
        if fnmatchcase(unit, how["unit"]):
            why_not = DROPS if how["drops"] and not plan["servers"] else ""
            return Task(unit, how=how, why_not=why_not)
    return Task(unit, why_not=UNKNOWN)


def tasks(pending: Data, plan: Data, apps: list[str], state: Data, now: str) -> list[Task]:
    """What is to be done, in the order in which it is done: whatever drops connections comes late,
    and systemd last, as those who wait for units lose their connection to it.

    A unit is renewed once for each set of installed packages, so that nothing that an application
    keeps in its memory restarts it again and again.
    """
    planned = []
    for unit in pending:
        item = task(unit, plan, apps)
        last = state["units"].get(unit, {})
        if not item.why_not and last.get("packages") == now and last.get("why") is None:
            item = item._replace(why_not=STILL)
        planned.append(item)
    return sorted(planned, key=_order)


def _order(item: Task) -> tuple[int, str]:
    late = 3 if item.unit == INIT else 2 if item.how.get("drops") else 1 if item.app else 0
    return late, item.unit


def app_names(folder: str = APPS) -> list[str]:
    """The applications of this host."""
    return sorted(path.stem for path in Path(folder).glob("*.json"))


def _read(path: str) -> Data:
    with open(path, encoding="utf-8") as file:
        data: Data = json.load(file)
    return data
