"""Results for machines."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from roles.verify.result import Check, Status

_hosts: dict[str, dict[str, Any]] = {}


def record(path: str, host: str, results: Sequence[Check]) -> None:
    """Adds a host's results to those of this run and replaces the file at `path` by all of them:
    it is complete and valid JSON at any moment. Raises OSError where it cannot be written."""
    _hosts[host] = {
        "ok": passed(results),
        "checks": [asdict(result) for result in results],
    }
    report = {"ok": all(entry["ok"] for entry in _hosts.values()), "hosts": _hosts}
    target = Path(path).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, staged = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(report, stream, indent=2, sort_keys=True)
            stream.write("\n")
        Path(staged).chmod(0o644)
        Path(staged).replace(target)
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise


def passed(results: Sequence[Check]) -> bool:
    """Whether nothing failed."""
    return all(result.status is not Status.FAIL for result in results)
