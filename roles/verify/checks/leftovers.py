"""Nothing runs that the settings do not know of."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, ok, warn
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """Every unit of an application belongs to one that the host is to have."""
    found = seen.section("leftovers")
    if found:
        hint = f"playbooks/remove.py --data app={found[0]}"
        yield warn("leftovers", f"units of {', '.join(found)}, not among `apps`: {hint}")
    else:
        yield ok("leftovers", "no units of other applications")
