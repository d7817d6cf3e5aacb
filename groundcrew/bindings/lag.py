"""How far behind a replica is, for verify, status and promotions.

What hosts report of a replica: `streaming`, whether it receives changes; `bytes` and `seconds` that
it is behind; on the primary also `slot`, if the server keeps changes for it.
"""

from __future__ import annotations

from groundcrew.columns import size
from groundcrew.facts.replication import Lag
from groundcrew.results.result import Check, fail, ok, warn


def behind(name: str, state: Lag, most: int) -> Check:
    """Whether a replica receives changes, and is not too far behind: a warning from `most` seconds,
    a failure from ten times as many."""
    if not state["streaming"]:
        return fail(name, lag(state))
    if state["seconds"] > 10 * most:
        return fail(name, f"{lag(state)}; at most {most} s")
    if state["seconds"] > most:
        return warn(name, f"{lag(state)}; at most {most} s")
    return ok(name, lag(state))


def lag(state: Lag) -> str:
    """How far behind a replica is, for people."""
    if not state["streaming"]:
        slot = ", and lacks changes that are gone" if state.get("slot") == "lost" else ""
        return f"receives nothing{slot}"
    return f"{size(state['bytes'] or 0)} and {state['seconds']:.1f} s behind"
