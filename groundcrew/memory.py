"""The memory plan: the sum of the memory limits on a host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.resources import Limits

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def in_bytes(text: str) -> int:
    """A size such as `512M` in bytes."""
    return int(text[:-1]) * _UNITS[text[-1]] if text[-1] in _UNITS else int(text)


@dataclass(frozen=True)
class Share:
    """The memory limit of one kind of process: `each` bytes (None for no limit), `count` times."""

    app: str
    """The application or role."""

    part: str
    each: int | None
    count: int
    twice: bool = False
    """Whether it runs twice while a release replaces another."""

    @property
    def total(self) -> int:
        """The total in bytes; 0 without a limit."""
        return (self.each or 0) * self.count


@dataclass(frozen=True)
class MemoryPlan:
    """All shares of a host."""

    shares: tuple[Share, ...]

    @property
    def steady(self) -> int:
        """The sum of the limits in bytes, outside of releases."""
        return sum(share.total for share in self.shares)

    @property
    def switching(self) -> int:
        """The sum in bytes while a release replaces another; applications are released one at a
        time."""
        apps: dict[str, int] = {}
        for share in self.shares:
            if share.twice:
                apps[share.app] = apps.get(share.app, 0) + share.total
        return self.steady + max(apps.values(), default=0)

    @property
    def unlimited(self) -> list[str]:
        """The processes without a limit, as `application part`."""
        return [f"{share.app} {share.part}" for share in self.shares if share.each is None]


def memory_plan(apps: Mapping[str, AppSettings], others: Iterable[Share] = ()) -> MemoryPlan:
    """The plan of a host with these applications and `others`."""
    shares = (share for name, app in apps.items() for share in _shares(name, app))
    return MemoryPlan((*shares, *others))


def _shares(name: str, app: AppSettings) -> Iterable[Share]:
    twice = app.release.strategy == "switch"
    yield Share(name, "web", _limit(app.limits), app.instances, twice)
    for part, worker in app.workers.items():
        # The old worker may finish its job while the new one already runs.
        yield Share(
            name, f"worker {part}", _limit(worker.limits), worker.instances, not worker.single
        )
    for part, timer in app.timers.items():
        yield Share(name, f"timer {part}", _limit(timer.limits), 1)


def _limit(limits: Limits) -> int | None:
    return in_bytes(limits.memory_max) if limits.memory_max else None
