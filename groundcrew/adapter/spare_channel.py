"""Saves half of a command's round trips. SSH needs one to open a channel and another to start the
command; a connection that has run commands opens the next command's channel in advance.

A spare channel counts towards sshd's `MaxSessions`. It is used before any other, and if the server
refuses it, a channel is opened when it is needed, as usual.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paramiko import Channel, ChannelException, SSHException, Transport

from groundcrew.adapter import root_process
from groundcrew.adapter.patching import expect, replace

SPARE = "groundcrew_spare"
ATTEMPTS = 20
PAUSE = 0.1
FIRST_USES = 2
"""Number of channels after which a connection is expected to need many more."""


class Spare:
    """The next channel of a connection."""

    def __init__(self) -> None:
        self.uses = 0
        self.channel: Channel | None = None
        self.opening: threading.Thread | None = None
        self.begun = False

    def take(self) -> Channel | None:
        """Takes the spare channel, if there is one; waits for it if it is being opened."""
        opening, self.opening = self.opening, None
        if opening is not None:
            opening.join()
        channel, self.channel = self.channel, None
        return None if channel is None or channel.closed else channel

    def begin(self, open_one: Callable[[], Channel]) -> None:
        """Opens the next channel in a thread, from the second use of the connection on."""
        self.uses += 1
        if self.uses < FIRST_USES or self.begun or self.opening or self.channel:
            return

        def run() -> None:
            try:
                self.channel = open_one()
            except (SSHException, OSError, EOFError):
                # The server refuses more channels, or the connection is gone.
                self.channel = None

        # Another caller may ask for a channel while the thread starts: it cannot be waited for yet.
        self.begun = True
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.opening, self.begun = thread, False


def install() -> None:
    """Makes paramiko's connections use their spare channel, once; they get one from `give`. Raises
    UnexpectedPyinfraError if paramiko is not as expected."""
    expect(Transport, "open_session", "self")
    replace(Transport, "open_session", _with_spare)


def _with_spare(original: Callable[..., Channel]) -> Callable[..., Channel]:
    def open_session(self: Transport, *args: Any, **kwargs: Any) -> Channel:
        spare: Spare | None = getattr(self, SPARE, None)
        if spare is None:
            return original(self, *args, **kwargs)
        channel = spare.take() or _opened(self, lambda: original(self, *args, **kwargs))
        spare.begin(lambda: original(self))
        return channel

    return open_session


def _opened(transport: Transport, open_one: Callable[[], Channel]) -> Channel:
    """A new channel, in place of root's process if the server allows no more."""
    try:
        return open_one()
    except ChannelException:
        if not root_process.end(transport):
            raise
    # The server has room once the process has ended.
    for _ in range(ATTEMPTS - 1):
        with suppress(ChannelException):
            return open_one()
        time.sleep(PAUSE)
    return open_one()


def give(transport: Transport) -> None:
    """Gives this connection a spare channel."""
    setattr(transport, SPARE, Spare())
