"""The error of an operation whose host no longer says what it needs to know."""

from __future__ import annotations


class UnreadableError(Exception):
    """The state of a host cannot be read; the message says of what. The host's operation fails,
    and the other hosts go on (`groundcrew.adapter.lost_hosts`)."""
