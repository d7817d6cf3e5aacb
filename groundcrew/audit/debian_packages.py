"""Debian's packages of a host, as its own package lists have them.

apt's lists say which version there is, and which suite has it. They do not say what is known
against one that Debian has not mended. And a host whose lists are old knows of no update: that is
"not checked".
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from groundcrew.audit.packages import DEB, Package, Subject, Update

PATIENCE = 7 * 86400
"""Seconds for which a list holds that does not say how long, as Debian's security suites do."""


def read(path: Path, host: str) -> Subject:
    """What `groundcrew/remote/inspect_updates.py` has reported of a host. Raises ValueError, or
    OSError, where the file is none of its reports."""
    try:
        return subject(host, json.loads(path.read_text("utf-8")))
    except (KeyError, TypeError) as error:
        raise ValueError(f"is no report of Debian's packages: {error!r}") from None


def subject(host: str, report: dict[str, Any]) -> Subject:
    """The packages of a host with their updates."""
    found = Subject(
        f"Debian's packages of {host}",
        {Package(DEB, name, version) for name, version in report["packages"]},
        own=list(report["local"]),
    )
    found.updates = [
        Update(
            Package(DEB, item["name"], item["installed"]),
            item["available"],
            item["security"],
            tuple(item["suites"]),
        )
        for item in report["updates"]
    ]
    if not report["security"]:
        found.unknown.append("the host has no list of a security suite (apt's sources)")
    for item in report["security"]:
        until = item["valid_until"] or item["date"] + PATIENCE
        if until < report["now"]:
            found.unknown.append(
                f"the host's list of {item['suite']} is of {_day(item['date'])} and holds no "
                "longer: `apt-get update` there says why"
            )
    return found


def _day(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d")
