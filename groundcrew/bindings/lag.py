"""How far behind a replica is, for verify, status and promotions.

What hosts report of a replica: `streaming`, whether it receives changes; `bytes` and `seconds` that
it is behind; on the primary also `slot`, if the server keeps changes for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from groundcrew.columns import size
from groundcrew.results.result import Check, fail, ok, warn


def behind(name: str, found: Mapping[str, Any], most: int) -> Check:
    """Whether a replica receives changes, and is not too far behind: a warning from `most` seconds,
    a failure from ten times as many."""
    if not found["streaming"]:
        return fail(name, lag(found))
    if found["seconds"] > 10 * most:
        return fail(name, f"{lag(found)}; at most {most} s")
    if found["seconds"] > most:
        return warn(name, f"{lag(found)}; at most {most} s")
    return ok(name, lag(found))


def lag(found: Mapping[str, Any]) -> str:
    """How far behind a replica is, for people."""
    if not found["streaming"]:
        slot = ", and lacks changes that are gone" if found.get("slot") == "lost" else ""
        return f"receives nothing{slot}"
    return f"{size(found['bytes'] or 0)} and {found['seconds']:.1f} s behind"
