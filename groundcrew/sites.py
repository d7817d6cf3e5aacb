"""A site of a role's own, which the web server of the host serves: behind a login, over HTTPS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from groundcrew.manifest.tls import Tls


class Secured(Protocol):
    """What may have HTTPS: an application, or a site of a role."""

    @property
    def tls(self) -> Tls | None:
        """HTTPS; None: there is none."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """All its host names."""
        ...


@dataclass(frozen=True)
class Site:
    """A site that shows what a program on loopback serves.

    It is `Secured`.
    """

    name: str
    """Name of its files. It contains a dot, as no application's name does."""

    key: tuple[str, ...]
    """Key of its settings, which has `certificate`."""

    domains: tuple[str, ...]
    tls: Tls
    users: Mapping[str, tuple[str, ...]]
    """Who may log in: user -> key of the secret that is the password."""

    passed: Mapping[str, str]
    """Path -> URL on loopback that answers it. A path that ends in `/` stands for all below it, any
    other for itself alone; nothing else is answered."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of responses, such as a strict Content-Security-Policy."""

    port: int = 80
    """Port that redirects to HTTPS."""

    @property
    def names(self) -> tuple[str, ...]:
        """All its host names."""
        return self.domains
