"""Applications behind balancers: who passes requests to whom."""

from __future__ import annotations

from dataclasses import dataclass

from groundcrew.manifest.model import AppSettings


@dataclass(frozen=True)
class Server:
    """A host that runs the application."""

    name: str
    """The host's name in the inventory."""

    address: str
    port: int
    """Port on which its nginx listens for the balancer, without TLS."""

    idle: bool = False
    """Whether the application is idle there: it gets requests only while no other host is
    healthy."""


@dataclass(frozen=True)
class Balanced:
    """An application, and the hosts that run it."""

    app: str
    settings: AppSettings
    """Its settings as visitors see them: with the balancer's ports and with its HTTPS."""

    servers: tuple[Server, ...]


@dataclass(frozen=True)
class Entrance:
    """Where visitors reach an application behind balancers."""

    name: str
    """Name of the first balancer."""

    address: str
