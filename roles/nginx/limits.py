"""What one client address may take, wherever an application does not say otherwise."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from groundcrew.apps.limits import Rate
from groundcrew.apps.types import Network
from groundcrew.model import Settings


class ClientLimits(Settings):
    """Limits per client address for all sites of the host together; more is answered with 429. They
    are far above what an office behind one address asks for, and keep one address from taking
    everything. An application with limits of its own (`rate_limit`, `connections`) has those
    instead; `limits: false` in its `nginx`, or in one of its `nginx.locations`, lifts all. An IPv6
    client is counted by its network (/64). Behind a load balancer, set `nginx.trusted_proxies`:
    else all visitors have the balancer's address."""

    rate: Rate | None = "100r/s"
    """Requests to applications; null = no limit. Files that nginx serves itself do not count."""

    burst: int = Field(1000, ge=0)
    """Requests above the rate that are accepted all the same, until the rate has caught up."""

    delay: int = Field(200, ge=0)
    """How many of those pass at once; the others wait for their turn, so that a crowd is slower
    instead of refused, and other clients hardly notice."""

    connections: int | Literal["auto"] | None = Field("auto", union_mode="left_to_right")
    """Requests at the same time, files too; each stream of HTTP/2 and each WebSocket counts.
    `auto` = a quarter of `nginx.worker_connections`; null = no limit."""

    allow: tuple[Network, ...] = ()
    """Addresses and networks whose requests are not counted, by no limit of an application either:
    monitoring, partners, load tests. The host itself never is."""
