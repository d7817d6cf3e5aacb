"""Logs are rotated."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, judge
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """Where applications log, logrotate understands its whole configuration."""
    if not seen.expected.apps:
        return
    found = seen.section("logrotate")
    problems = list(found["errors"])
    if found["code"] != 0 and not problems:
        problems.append(f"logrotate --debug exits {found['code']}")
    yield judge("logrotate dry run", problems, "no error")
