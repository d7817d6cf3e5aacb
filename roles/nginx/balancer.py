"""Health check of a load balancer in front of the host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field

from groundcrew.manifest.location import PlainPath
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.types import Network
from groundcrew.model import Settings


class BalancerCheck(Settings):
    """The check of a load balancer that asks by the host's address, or without a host name (AWS,
    HAProxy's plain `httpchk`). Every other request without an application's name is refused."""

    app: str
    """Name of the application that answers; it gets the request under the first of its
    `domains`."""

    path: PlainPath | None = None
    """Path that the load balancer asks for, on the application's `port`; null: the application's
    `health.path`."""

    allow: tuple[Network, ...] | None = Field(None, min_length=1)
    """Addresses and networks that get an answer, besides the host itself. null:
    `nginx.trusted_proxies`, or everybody if there are none."""

    def full_path(self, app: AppSettings) -> str:
        """The path that the check requests, including the application's prefix."""
        return app.root + (self.path or app.health.path.partition("?")[0])


def conflicts(
    check: BalancerCheck | None, apps: Mapping[str, AppSettings]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Settings with which the check would get no answer: key -> reason."""
    if check is None or not apps:
        return
    key = ("nginx", "balancer_check", "app")
    app = apps.get(check.app)
    if app is None:
        yield key, f'"{check.app}" is no application of this host (known: {", ".join(apps)})'
    elif not app.domains:
        yield (
            key,
            f'"{check.app}" has no domains and so answers to every name on port {app.port} '
            "already: leave balancer_check out",
        )
