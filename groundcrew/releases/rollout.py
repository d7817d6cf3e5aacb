"""State shared by the hosts of one run: which goes first, which have switched, which failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pyinfra import logger


@dataclass
class Rollout:
    """The rollout of one application's release over the hosts."""

    canary: str | None = None
    failed: str | None = None
    go_back: bool = True
    attempting: set[str] = field(default_factory=set)
    """Hosts that are being switched."""

    switched: dict[str, Callable[[], bool]] = field(default_factory=dict)
    """Hosts that have switched, each with a function that switches it back."""

    candidates: set[str] = field(default_factory=set)
    """Hosts that have a release to switch to."""

    held: set[str] = field(default_factory=set)
    """Hosts that have not ended yet what another one shall run for all."""

    starter: str | None = None
    """The host that starts what one runs for all, if it is part of the run."""

    def is_canary(self, host: str, inventory: Iterable[str]) -> bool:
        """Whether this host goes first. The canary is the first candidate in the order of the
        inventory.

        If hosts run one after the other (--serial), only the first to arrive is a candidate.
        """
        if self.canary is None:
            self.canary = next((name for name in inventory if name in self.candidates), host)
        return self.canary == host

    def fail(self, host: str) -> None:
        """Stops the rollout. If the host was being switched, the hosts that have switched go
        back."""
        if self.failed is None:
            self.failed = host
        if host not in self.attempting:
            return
        self.attempting.discard(host)
        if self.go_back:
            for other in list(self.switched):
                self.lead_back(other)

    def attempt_again(self, host: str) -> Callable[[], bool] | None:
        """Begins another check of a host that has switched. Returns the function that switches it
        back, which must be passed to `done`."""
        self.attempting.add(host)
        return self.switched.pop(host, None)

    def done(self, host: str, going_back: Callable[[], bool] | None) -> str | None:
        """Records that the host has switched. If another host has failed meanwhile, this one goes
        back too, and the name of the failed host is returned."""
        self.attempting.discard(host)
        if going_back is None:
            return None
        self.switched[host] = going_back
        if self.failed is None or not self.go_back:
            return None
        self.lead_back(host)
        return self.failed

    def lead_back(self, host: str) -> bool:
        """Switches a host back to its previous release; returns whether that worked."""
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
    """An operation failed on a host. If the host was being switched, its rollout fails."""
    for group in _rollouts.values():
        if host in group.attempting:
            group.fail(host)
