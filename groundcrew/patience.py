"""How long is waited for a host where a change could lock the operator out: pure."""

from __future__ import annotations

from dataclasses import dataclass

STEP_PER_LOGIN = 5
LONGEST_STEP = 30.0


@dataclass(frozen=True)
class Patience:
    """Seconds for a host of usual speed.

    `step` is for each step of the second login, `command` for the decision over the live
    connection. After `host` seconds the host puts the change back by itself.
    """

    step: float = 10
    command: float = 20
    host: int = 55


def patience(login_seconds: float) -> Patience:
    """The usual one, or for a host to which a login takes long up to three times as much."""
    usual = Patience()
    step = min(max(STEP_PER_LOGIN * login_seconds, usual.step), LONGEST_STEP)
    slowness = step / usual.step
    return Patience(step, usual.command * slowness, round(usual.host * slowness))
