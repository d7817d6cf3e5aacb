"""What the hosts of one run know of each other: who goes first, who has switched, who failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pyinfra import logger


@dataclass
class Rollout:
    """One application's release going over the hosts."""

    canary: str | None = None
    failed: str | None = None
    go_back: bool = True
    attempting: set[str] = field(default_factory=set)
    """Hosts that are being switched now."""

    switched: dict[str, Callable[[], bool]] = field(default_factory=dict)
    """How to lead each host that has switched back again."""

    candidates: set[str] = field(default_factory=set)
    """Hosts that have something to switch to."""

    def is_canary(self, host: str, inventory: Iterable[str]) -> bool:
        """Whether this host goes first: the first one in the inventory of those that are ready.

        When hosts run one after the other (--serial), only the first to come is ready.
        """
        if self.canary is None:
            self.canary = next((name for name in inventory if name in self.candidates), host)
        return self.canary == host

    def fail(self, host: str) -> None:
        """Stop the rollout. Where the host was being switched, lead back those that have."""
        if self.failed is None:
            self.failed = host
        if host not in self.attempting:
            return
        self.attempting.discard(host)
        if self.go_back:
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


def host_failed(host: str) -> None:
    """An operation failed on a host; if it was being switched, its rollout has failed."""
    for group in _rollouts.values():
        if host in group.attempting:
            group.fail(host)
