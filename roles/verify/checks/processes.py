"""Check that no application runs as root."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, fail, judge
from groundcrew.roles.verify.seen import SitesSeen


def check(seen: SitesSeen) -> Iterator[Check]:
    """No process of an application runs as root; of what serves it, as many as its role says."""
    processes = seen.section("processes")
    for name, unit in seen.serving_units().items():
        members = processes.get(unit, [])
        if not members:
            yield fail(f"{name}: no root process", f"{unit} has no process")
            continue
        roots = [member for member in members if member["user"] == "root"]
        problems = [f"{member['name']} ({member['pid']}) runs as root" for member in roots]
        users = ", ".join(sorted({member["user"] for member in members}))
        role = seen.units.get(unit)
        if role and len(roots) <= role.roots:
            problems = []
        yield judge(f"{name}: no root process", problems, f"{len(members)} processes of {users}")
