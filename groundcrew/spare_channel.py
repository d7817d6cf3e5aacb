"""Half of the round trips of a command: SSH opens a channel in one and starts the command in the
next. Here a connection that has run commands already opens the channel of the next one meanwhile.

A spare channel is one of sshd's `MaxSessions`. It is the first to be used, and where the server
grants none, a channel is opened when it is needed, as without this.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from paramiko import Channel, SSHException, Transport

SPARE = "groundcrew_spare"
FIRST_USES = 2
"""Channels after which a connection is taken for one that has many more to come."""


class Spare:
    """A connection's next channel."""

    def __init__(self) -> None:
        self.uses = 0
        self.channel: Channel | None = None
        self.opening: threading.Thread | None = None

    def take(self) -> Channel | None:
        """The channel that was opened, if there is one; waits for it where it is on its way."""
        opening, self.opening = self.opening, None
        if opening is not None:
            opening.join()
        channel, self.channel = self.channel, None
        return None if channel is None or channel.closed else channel

    def begin(self, open_one: Callable[[], Channel]) -> None:
        """Open the next one, beside whatever goes on."""
        self.uses += 1
        if self.uses < FIRST_USES or self.opening is not None or self.channel is not None:
            return

        def run() -> None:
            try:
                self.channel = open_one()
            except (SSHException, OSError, EOFError):
                # The server grants no more, or the connection is gone.
                self.channel = None

        self.opening = threading.Thread(target=run, daemon=True)
        self.opening.start()


def install() -> None:
    """Applies it to paramiko's connections that have been given a spare channel (`give`), once."""
    original = Transport.open_session
    if hasattr(original, SPARE):
        return

    @wraps(original)
    def open_session(self: Transport, *args: Any, **kwargs: Any) -> Channel:
        spare: Spare | None = getattr(self, SPARE, None)
        if spare is None:
            return original(self, *args, **kwargs)
        channel = spare.take() or original(self, *args, **kwargs)
        spare.begin(lambda: original(self))
        return channel

    setattr(open_session, SPARE, True)
    Transport.open_session = open_session  # type: ignore[method-assign]


def give(transport: Transport) -> None:
    """Let this connection have one."""
    setattr(transport, SPARE, Spare())
