"""What must happen on one host only, in a run over several: the first that comes does it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gevent.event import Event  # type: ignore[import-untyped]


@dataclass
class Turn:
    """Who does it, whether it is over, and how it ended."""

    app: str
    host: str
    over: Event = field(default_factory=Event)
    good: bool = False

    def end(self, good: bool) -> None:
        """Let the others go on."""
        self.good = good
        self.over.set()


_turns: dict[str, Turn] = {}


def turn(what: str, app: str, key: str, host: str) -> Turn:
    """The turn to do `what` for the `key` of an application; it is the caller's own if its host
    name is `host`."""
    return _turns.setdefault(f"{what} {app} {key}", Turn(app, host))


def failed(host: str, app: str | None = None) -> None:
    """An operation failed on a host, for one application or for all; what it had the turn for has
    failed, and nobody waits."""
    for mine in _turns.values():
        if mine.host == host and app in (None, mine.app) and not mine.over.is_set():
            mine.end(good=False)
