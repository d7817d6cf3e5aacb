"""Check for units of applications that are no longer configured."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, ok, warn
from groundcrew.roles.verify.seen import SitesSeen


def check(seen: SitesSeen) -> Iterator[Check]:
    """Every application with units on the host is configured for it."""
    there = seen.section("leftovers")
    leftovers = [name for name in there if name not in seen.expected.stopped]
    if leftovers:
        hint = f"playbooks/remove.py --data app={leftovers[0]}"
        yield warn("leftovers", f"units of {', '.join(leftovers)}, not among `apps`: {hint}")
    else:
        yield ok("leftovers", "no units of other applications")
