"""What `on_host.py` reports."""

from __future__ import annotations

from typing import TypedDict


class PacketFilter(TypedDict):
    """The address families whose input chain drops packets by default."""

    families: list[str]


class Listener(TypedDict):
    """The port on which a program listens for some seconds."""

    port: int
