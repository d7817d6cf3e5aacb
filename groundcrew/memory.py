"""The memory plan: what the limits of a host's applications come to together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from groundcrew.apps.model import AppSettings
from groundcrew.apps.resources import Limits

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def in_bytes(text: str) -> int:
    """A size such as `512M`."""
    return int(text[:-1]) * _UNITS[text[-1]] if text[-1] in _UNITS else int(text)


@dataclass(frozen=True)
class Share:
    """What one kind of process of an application may take: `each` bytes, so many times."""

    app: str
    part: str
    each: int | None
    count: int
    twice: bool = False
    """Whether a release runs beside the one that it replaces."""

    @property
    def total(self) -> int:
        """Bytes of all of them; those without a limit count nothing."""
        return (self.each or 0) * self.count


@dataclass(frozen=True)
class MemoryPlan:
    """All shares of a host."""

    shares: tuple[Share, ...]

    @property
    def steady(self) -> int:
        """Bytes that the limits allow between releases."""
        return sum(share.total for share in self.shares)

    @property
    def switching(self) -> int:
        """Bytes that they allow while a release replaces another: one application at a time."""
        apps: dict[str, int] = {}
        for share in self.shares:
            if share.twice:
                apps[share.app] = apps.get(share.app, 0) + share.total
        return self.steady + max(apps.values(), default=0)

    @property
    def unlimited(self) -> list[str]:
        """What has no limit, as `application part`."""
        return [f"{share.app} {share.part}" for share in self.shares if share.each is None]


def memory_plan(apps: Mapping[str, AppSettings]) -> MemoryPlan:
    """The plan of a host with these applications."""
    return MemoryPlan(tuple(share for name, app in apps.items() for share in _shares(name, app)))


def _shares(name: str, app: AppSettings) -> Iterable[Share]:
    twice = app.release.strategy == "switch"
    yield Share(name, "web", _limit(app.limits), app.instances, twice)
    for part, worker in app.workers.items():
        # The old one may finish its job while the new one is at work.
        yield Share(
            name, f"worker {part}", _limit(worker.limits), worker.instances, not worker.single
        )
    for part, timer in app.timers.items():
        yield Share(name, f"timer {part}", _limit(timer.limits), 1)


def _limit(limits: Limits) -> int | None:
    return in_bytes(limits.memory_max) if limits.memory_max else None
