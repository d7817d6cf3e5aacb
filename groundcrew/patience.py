"""How long to wait for a host during a change that could lock the operator out. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

STEP_PER_LOGIN = 5
LONGEST_STEP = 30.0


@dataclass(frozen=True)
class Patience:
    """Timeouts in seconds; the defaults are for a host of usual speed.

    `step` is for each step of the second login, `command` for the decision over the live
    connection. After `host` seconds the host undoes the change by itself.
    """

    step: float = 10
    command: float = 20
    host: int = 55


def patience(login_seconds: float) -> Patience:
    """The usual timeouts, or up to three times as long for a host on which a login takes
    `login_seconds`."""
    usual = Patience()
    step = min(max(STEP_PER_LOGIN * login_seconds, usual.step), LONGEST_STEP)
    slowness = step / usual.step
    return Patience(step, usual.command * slowness, round(usual.host * slowness))
