"""Limits per client address, unless an application sets its own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from groundcrew.manifest.limits import Rate
from groundcrew.manifest.types import Network
from groundcrew.model import Settings


class ClientLimits(Settings):
    """Limits per client address, for all sites of the host together; what exceeds them gets 429.
    They are far above what an office behind one address asks for, and keep a single address from
    taking everything. An application with limits of its own (`rate_limit`, `connections`) has those
    instead; `limits: false` in its `nginx`, or in one of its `nginx.locations`, removes all limits.
    An IPv6 client is counted by its network (/64). Behind a load balancer, set
    `nginx.trusted_proxies`; otherwise all visitors count as one, with the balancer's address."""

    rate: Rate | None = "100r/s"
    """Requests to applications, per second (`100r/s`), minute or hour; null = no limit. Requests
    for files that nginx serves itself do not count."""

    burst: int = Field(1000, ge=0)
    """Requests above the rate that are accepted all the same, until the rate has caught up with
    them."""

    delay: int = Field(200, ge=0)
    """Number of these requests that pass at once. The others wait for their turn, so that a crowd
    is served more slowly instead of refused, and other clients hardly notice."""

    connections: int | Literal["auto"] | None = Field("auto", union_mode="left_to_right")
    """Requests at the same time, including those for files; each stream of HTTP/2 and each
    WebSocket counts. `auto` = a quarter of `nginx.worker_connections`; null = no limit."""

    allow: tuple[Network, ...] = ()
    """Addresses and networks whose requests no limit counts, not even one of an application:
    monitoring, partners, load tests. The host's own requests never count."""
