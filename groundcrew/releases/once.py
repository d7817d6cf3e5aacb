"""Steps that only one host of a run does: the first host to reach the step."""

from __future__ import annotations

from dataclasses import dataclass, field

from gevent.event import Event  # type: ignore[import-untyped]


@dataclass
class Turn:
    """The host whose turn it is, whether the step is over, and whether it succeeded."""

    app: str
    host: str
    over: Event = field(default_factory=Event)
    good: bool = False
    before: Turn | None = None
    """The turn with another key after which this one comes."""

    def begin(self) -> None:
        """Returns when the turns before this one are over, however they have ended."""
        if self.before:
            self.before.begin()
            self.before.over.wait()

    def end(self, good: bool) -> None:
        """Ends the turn; waiting hosts go on."""
        self.good = good
        self.over.set()


_turns: dict[str, Turn] = {}
_last: dict[str, Turn] = {}


def turn(what: str, app: str, key: str, host: str) -> Turn:
    """The turn to do `what` for the `key` of an application. It is the caller's own if its host is
    `host`."""
    return _turns.setdefault(f"{what} {app} {key}", Turn(app, host))


def turn_in_line(what: str, app: str, key: str, line: str, host: str) -> Turn:
    """The same, for a step that must not be done at the same time with two keys: the turns of a
    `line` come one after the other, from `begin` on."""
    name = f"{what} {app} {line} {key}"
    if name not in _turns:
        _turns[name] = Turn(app, host, before=_last.get(f"{what} {app} {line}"))
        _last[f"{what} {app} {line}"] = _turns[name]
    return _turns[name]


def failed(host: str, app: str | None = None) -> None:
    """An operation failed on a host, for one application or for all. Ends the host's open turns as
    failed, so that no other host waits for them."""
    for mine in _turns.values():
        if mine.host == host and app in (None, mine.app) and not mine.over.is_set():
            mine.end(good=False)
