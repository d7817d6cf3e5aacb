"""Results for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from groundcrew import json_file
from groundcrew.results.result import Check, Status

_reports: dict[str, dict[str, dict[str, Any]]] = {}


def record(path: str, host: str, results: Sequence[Check]) -> None:
    """Adds a host's results to those of this run and replaces the file at `path` by all of them:
    it is complete and valid JSON at any moment. Raises OSError where it cannot be written."""
    hosts = _reports.setdefault(path, {})
    hosts[host] = {
        "ok": passed(results),
        "checks": [asdict(result) for result in results],
    }
    report = {"ok": all(entry["ok"] for entry in hosts.values()), "hosts": hosts}
    json_file.replace(path, report)


def passed(results: Sequence[Check]) -> bool:
    """Whether nothing failed."""
    return all(result.status is not Status.FAIL for result in results)
