"""Files of renewals. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from groundcrew import remote
from groundcrew.contract import Renewal
from groundcrew.entries import Directory, Entry, File, Purge
from groundcrew.remote.renewal_state import APPS, FOLDER, PLAN
from groundcrew.roles.renewal.settings import RenewalSettings
from groundcrew.templates import render

PROGRAMS = "/usr/local/lib/groundcrew"
PROGRAM = f"{PROGRAMS}/renew.py"
SERVICE = "groundcrew-renew.service"
TIMER = "groundcrew-renew.timer"
UNITS = "/etc/systemd/system"
TIMER_FILE = f"{UNITS}/{TIMER}"


def entries(settings: RenewalSettings, units: Sequence[Renewal]) -> list[Entry]:
    """Program, plan and units."""
    modules = tuple(dict.fromkeys(item.module for item in units if item.module))
    return [
        Directory("/etc/groundcrew"),
        Directory(FOLDER, mode="0700"),
        Directory(APPS, mode="0700"),
        Directory(PROGRAMS),
        File(PROGRAM, remote.source("renew", *modules), mode="0700"),
        File(PLAN, json.dumps(plan(settings, units), indent=1) + "\n", mode="0600"),
        File(f"{UNITS}/{SERVICE}", render("renewal/renew.service.j2", settings=settings)),
        File(TIMER_FILE, render("renewal/renew.timer.j2", settings=settings)),
    ]


def plan(settings: RenewalSettings, units: Sequence[Renewal]) -> dict[str, Any]:
    """What the program on the host may restart, and how."""
    return {
        "units": [asdict(item) for item in units],
        "servers": settings.servers,
        "window": settings.window * 60,
    }


def app_entries(apps: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
    """What the program knows about applications."""
    return [
        File(f"{APPS}/{name}.json", json.dumps(app, indent=1) + "\n", mode="0600")
        for name, app in sorted(apps.items())
    ]


def only(apps: Mapping[str, Any]) -> Entry:
    """Removes what the program knows about other applications."""
    return Purge(APPS, "*.json", tuple(f"{name}.json" for name in apps))
