"""What the hosts of one run know of each other: who goes first, who has switched, who failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pyinfra import logger


@dataclass
class Rollout:
    """One application's release going over the hosts."""

    canary: str | None = None
    failed: str | None = None
    switched: dict[str, Callable[[], bool]] = field(default_factory=dict)
    """How to lead each host that has switched back again."""

    def claim_canary(self, host: str) -> bool:
        """Whether this host is the one that goes first."""
        if self.canary is None:
            self.canary = host
        return self.canary == host

    def fail(self, host: str, go_back: bool) -> None:
        """Stop the rollout, and lead back the hosts that have switched."""
        if self.failed is None:
            self.failed = host
        if go_back:
            for other in list(self.switched):
                self.lead_back(other)

    def lead_back(self, host: str) -> bool:
        """One host goes back to what it had; whether that worked."""
        undo = self.switched.pop(host)
        good = undo()
        outcome = "is back on the release before" if good else "COULD NOT GO BACK; look at it"
        logger.warning(f"    [{host}] {outcome}, because {self.failed} failed")
        return good


_rollouts: dict[str, Rollout] = {}


def rollout(app: str) -> Rollout:
    """The rollout of an application in this run."""
    return _rollouts.setdefault(app, Rollout())
