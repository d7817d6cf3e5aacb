"""A binding: one need of an application, and the host that provides it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from groundcrew.manifest.need import Need
from groundcrew.metrics import Neighbour, in_group
from groundcrew.remote.credentials import FOLDER

if TYPE_CHECKING:
    from groundcrew.balancing import Balanced, Entrance
    from groundcrew.bindings.budget import Budget
    from groundcrew.manifest.model import AppSettings


class Link(Protocol):
    """Something for which one host makes a login and another host fetches it."""

    @property
    def provider(self) -> str:
        """Name of the host that makes the login."""
        ...

    @property
    def role(self) -> str:
        """The role that it is for."""
        ...

    @property
    def account(self) -> str:
        """Beginning of the names of the logins."""
        ...

    @property
    def store(self) -> str:
        """Directory of the logins, on both hosts."""
        ...

    @property
    def title(self) -> str:
        """What the login is, for people."""
        ...


@dataclass(frozen=True)
class Client:
    """A host that runs the application."""

    host: str
    address: str | None
    """Address that it connects from. None: it is the provider itself."""

    connections: int | None = None
    """Largest number of connections that it may have open. None: not known, or no bound that
    matters."""


@dataclass(frozen=True)
class Binding:
    """A need of an application that a host of the inventory provides."""

    app: str
    need: str
    settings: Need
    provider: str
    """Name of the host that provides it."""

    address: str
    """Address at which other hosts reach the provider."""

    clients: tuple[Client, ...]

    @property
    def role(self) -> str:
        """The role that provides it."""
        return self.settings.role

    @property
    def part(self) -> str:
        """The part of the role; empty if the role has none."""
        return self.settings.part

    @property
    def account(self) -> str:
        """Name that is this binding's alone: of its logins, and by default of its database."""
        return f"{self.app}_{self.need}".replace("-", "_")

    @property
    def database(self) -> str:
        """Name of the database."""
        return self.settings.name or self.account

    @property
    def store(self) -> str:
        """Directory of the logins on a host; only root can read it."""
        return f"{FOLDER}/{self.settings.service}/{self.app}.{self.need}"

    @property
    def connections(self) -> int | None:
        """Largest number of connections that all clients together may have open; None if it is not
        known of one of them."""
        each = [client.connections for client in self.clients]
        return None if None in each else sum(filter(None, each))

    @property
    def title(self) -> str:
        """What its login is, for people."""
        return f"{self.app}'s login for {self.need}"

    @property
    def local(self) -> bool:
        """Whether the provider itself runs the application."""
        return any(client.address is None for client in self.clients)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses of the other hosts that run the application, sorted."""
        return tuple(sorted(client.address for client in self.clients if client.address))


@dataclass(frozen=True)
class Replication:
    """A server on one host that copies, all the time, what the server of another host contains."""

    role: str
    provider: str
    """Name of the host with the primary."""

    address: str
    """Address at which the replica reaches it."""

    replica: str
    """Name of the host with the replica."""

    client: str
    """Address that the replica connects from."""

    port: int
    """Port of the primary."""

    part: str = ""
    """The part of the role; empty if the role has none."""

    @property
    def service(self) -> str:
        """Role and part, as needs name them."""
        return f"{self.role}.{self.part}" if self.part else self.role

    @property
    def account(self) -> str:
        """Name that is this replica's alone: of its logins, for example."""
        digest = hashlib.sha256(self.replica.encode()).hexdigest()[:6]
        readable = re.sub(r"[^a-z0-9]+", "_", self.replica.lower())[:40].strip("_")
        return f"replica_{readable}_{digest}"

    @property
    def store(self) -> str:
        """Directory of the logins on both hosts; only root can read it."""
        return f"{FOLDER}/{self.service}.replicas/{self.account}"

    @property
    def title(self) -> str:
        """What its login is, for people."""
        return f"the login of {self.replica}, a replica,"


@dataclass(frozen=True)
class Place:
    """A host's place in the inventory."""

    groups: frozenset[str] = frozenset()
    provides: tuple[Binding, ...] = ()
    """Bindings that this host provides, sorted."""

    uses: tuple[Binding, ...] = ()
    """Bindings of this host's applications that other hosts provide."""

    replicas: tuple[Replication, ...] = ()
    """Replicas of this host's servers, sorted."""

    follows: tuple[Replication, ...] = ()
    """Servers of other hosts of which this host has a replica."""

    budgets: tuple[Budget, ...] = ()
    """Connections to the services that this host's applications use, of all applications."""

    reaches: tuple[str, ...] = ()
    """`HOST:PORT` of services outside of the inventory that this host's applications need."""

    name: str = ""
    """The host's name."""

    hosts: tuple[Neighbour, ...] = ()
    """All hosts of the inventory, with this one."""

    balanced: tuple[Balanced, ...] = ()
    """Applications of other hosts that this host, a balancer, passes requests to, sorted."""

    behind: Mapping[str, AppSettings] = field(default_factory=dict)
    """Applications of this host that get their requests from balancers, as visitors see them."""

    entrance: Entrance | None = None
    """Where visitors reach the applications that are `behind` balancers."""

    @property
    def balancers(self) -> list[Neighbour]:
        """The hosts that pass requests to this one: those of the group `lb`."""
        return in_group(self.hosts, "lb") if self.behind else []

    @property
    def monitors(self) -> list[Neighbour]:
        """The hosts that monitor this one: those of the group `monitoring`."""
        return in_group(self.hosts, "monitoring")
