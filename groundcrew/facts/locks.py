"""What `groundcrew/remote/hold_locks.py` answers."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class LockAnswer(TypedDict):
    """`state` is `locked`, `freed`, `held` (`by` is the text of the run that holds the lock),
    `busy` (steps of another run do not end) or `error` (`why`). `left` is the text that the run
    before has left; empty if it has released its lock."""

    state: str
    left: NotRequired[str]
    by: NotRequired[str]
    why: NotRequired[str]
