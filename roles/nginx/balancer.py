"""What a load balancer in front of the host may ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field

from groundcrew.apps.location import PlainPath
from groundcrew.apps.model import AppSettings
from groundcrew.apps.types import Network
from groundcrew.model import Settings


class BalancerCheck(Settings):
    """The check of a load balancer that asks by the host's address, or without any name (AWS,
    HAProxy's plain `httpchk`). Every other request without an application's name is refused."""

    app: str
    """The application that answers: it gets the request under the first of its `domains`."""

    path: PlainPath | None = None
    """What the balancer asks for, on the application's `port`; default: its `health.path`."""

    allow: tuple[Network, ...] | None = Field(None, min_length=1)
    """Addresses and networks that are answered, besides the host itself. Default:
    `nginx.trusted_proxies`, and everybody where there are none."""

    def full_path(self, app: AppSettings) -> str:
        """What is asked for, below the application's prefix."""
        return app.root + (self.path or app.health.path.partition("?")[0])


def conflicts(
    check: BalancerCheck | None, apps: Mapping[str, AppSettings]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Why the check would get no answer, by key."""
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
