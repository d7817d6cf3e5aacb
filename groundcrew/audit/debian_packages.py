"""Debian packages of a host, according to its own package lists.

apt's lists say which version is available in which suite. They do not list vulnerabilities that
Debian has not fixed. A host with old lists knows of no updates, so it counts as "not checked".
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from groundcrew.audit.packages import DEB, Package, Subject, Update

PATIENCE = 7 * 86400
"""Seconds for which a list without an expiry date is valid: as long as lists of Debian's security
suites."""


def read(path: Path, host: str) -> Subject:
    """Reads a host's report from `groundcrew/remote/inspect_updates.py`.

    Raises OSError, or ValueError if the file is no such report.
    """
    try:
        return subject(host, json.loads(path.read_text("utf-8")))
    except (KeyError, TypeError) as error:
        raise ValueError(f"is no report of Debian's packages: {error!r}") from None


def subject(host: str, report: dict[str, Any]) -> Subject:
    """The packages of a host and their updates."""
    result = Subject(
        f"Debian's packages of {host}",
        {Package(DEB, name, version) for name, version in report["packages"]},
        own=list(report["local"]),
    )
    result.updates = [
        Update(
            Package(DEB, item["name"], item["installed"]),
            item["available"],
            item["security"],
            tuple(item["suites"]),
        )
        for item in report["updates"]
    ]
    if not report["security"]:
        result.unknown.append("the host has no list of a security suite (apt's sources)")
    for item in report["security"]:
        until = item["valid_until"] or item["date"] + PATIENCE
        if until < report["now"]:
            result.unknown.append(
                f"the host's list of {item['suite']} is of {_day(item['date'])} and has "
                "expired: `apt-get update` there says why"
            )
    return result


def _day(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d")
