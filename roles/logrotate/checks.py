"""Check of log rotation."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, judge
from groundcrew.roles.logrotate.report import DryRun
from groundcrew.verify.seen import Seen


def rotation(seen: Seen) -> Iterator[Check]:
    """logrotate accepts its whole configuration."""
    section: DryRun = seen.section("logrotate")
    problems = list(section["errors"])
    if section["code"] != 0 and not problems:
        problems.append(f"logrotate --debug exits {section['code']}")
    yield judge("logrotate dry run", problems, "no error")
