"""Check that no application runs as root."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, fail, judge
from groundcrew.roles.verify.seen import SitesSeen


def check(seen: SitesSeen) -> Iterator[Check]:
    """No process of an application runs as root; of nginx, only the master process."""
    processes = seen.section("processes")
    for name, unit in seen.serving_units().items():
        members = processes.get(unit, [])
        if not members:
            yield fail(f"{name}: no root process", f"{unit} has no process")
            continue
        roots = [member for member in members if member["user"] == "root"]
        problems = [f"{member['name']} ({member['pid']}) runs as root" for member in roots]
        users = ", ".join(sorted({member["user"] for member in members}))
        if name == "nginx":
            problems = problems if len(roots) > 1 else []
        yield judge(f"{name}: no root process", problems, f"{len(members)} processes of {users}")
