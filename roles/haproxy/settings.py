"""Settings of the balancer."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, IPvAnyAddress, StringConstraints, model_validator

from groundcrew.contract import Brings, GroupSettings, HostView
from groundcrew.manifest.types import Size
from groundcrew.model import WrongValueError


class HaproxySettings(GroupSettings):
    """HAProxy, on the hosts of the inventory's group `lb`.

    It takes the requests for the applications of all hosts of the inventory, ends HTTPS as the
    applications' `tls` says, and spreads the requests over the hosts that run the application. See
    [a fleet](fleet.md).
    """

    group: ClassVar[str] = "lb"

    apps: tuple[str, ...] | None = None
    """Applications that get their requests from the balancers; null: all of the inventory. All
    balancers need the same."""

    address: IPvAnyAddress | None = None
    """Address that the balancers share, IPv4 or IPv6: a free one of their network. One balancer
    holds it, and another takes it within about a second if that one dies or its HAProxy does not
    serve. null: each balancer has its own address only. All balancers need the same."""

    more_addresses: tuple[IPvAnyAddress, ...] = ()
    """Addresses that move together with `address`, such as one for IPv6. All balancers need the
    same."""

    interface: Annotated[str, StringConstraints(pattern=r"^[^\s/$!@#]{1,15}$")] | None = None
    """Network interface of `address`; null: the one on which the host reaches it."""

    router_id: int = Field(51, ge=1, le=255)
    """Number of this set of balancers in VRRP, the protocol with which they agree. Others in the
    same network need others. All balancers need the same."""

    heartbeat: float = Field(0.3, ge=0.05, le=10)
    """Seconds between two messages of the balancer that holds `address`. After about 3.3 times this
    without one, another takes the address. All balancers need the same."""

    dns: bool = False
    """Whether verify checks that the DNS leads the applications' names to `address` or
    `more_addresses`, and to no other address."""

    port: int = Field(80, ge=1, le=65535)
    """Port for HTTP."""

    tls_port: int = Field(443, ge=1, le=65535)
    """Port for HTTPS."""

    ipv6: bool = True
    """Whether it also listens on IPv6; switch it off if the kernel has none."""

    balance: Literal["roundrobin", "leastconn"] = "roundrobin"
    """How it chooses a host: one after the other, or the one with the fewest requests in progress,
    which suits requests of very different duration."""

    check_interval: float = Field(1, ge=0.1, le=60)
    """Seconds between two requests for the health path of an application on each host. After a
    failure, and before a host is taken back, it asks three times as often."""

    check_timeout: float = Field(1, ge=0.1, le=60)
    """Seconds within which the health path must answer."""

    fall: int = Field(2, ge=1)
    """Number of failures in a row after which a host gets no more requests."""

    rise: int = Field(2, ge=1)
    """Number of healthy answers in a row after which a host gets requests (again)."""

    connect_timeout: float = Field(1, ge=0.1, le=60)
    """Seconds in which a host must accept a connection. After that, another one gets the
    request."""

    client_header_timeout: int = Field(10, ge=1)
    """Seconds in which a client must have sent its whole request header."""

    client_timeout: int = Field(60, ge=1)
    """Seconds for which a client may send or take nothing."""

    keepalive_timeout: int = Field(65, ge=1)
    """Seconds that an idle connection of a client stays open."""

    drain: int = Field(60, ge=0)
    """Seconds that requests in progress get to end when a host leaves the inventory, or before it
    is restarted."""

    shutdown_timeout: int = Field(300, ge=1)
    """Seconds after a reload at which an old process closes connections that are still open
    (downloads, WebSockets)."""

    maxconn: int = Field(4000, ge=100)
    """Connections of clients at the same time; more of them wait."""

    memory_max: Size = "512M"
    """Most memory that it may use. 100 KB for each of `maxconn` are enough."""

    public: bool = False
    """Whether requests may go to hosts over a public network: they are not encrypted between the
    balancer and a host."""

    stats_port: int | None = Field(None, ge=1, le=65535)
    """Port on 127.0.0.1 of HAProxy's page with statistics, for administrators; null: none."""

    metrics_port: int = Field(8405, ge=1, le=65535)
    """Port at which monitoring reads HAProxy's own metrics; on hosts that are monitored."""

    @model_validator(mode="after")
    def _ports_of_its_own(self) -> HaproxySettings:
        owners: dict[int, str] = {}
        for key in ("port", "tls_port", "metrics_port", "stats_port"):
            port = getattr(self, key)
            if port is not None and (first := owners.setdefault(port, key)) != key:
                raise WrongValueError(key, f"{port} is `{first}` too: the ports must differ")
        return self

    @model_validator(mode="after")
    def _addresses_need_the_first(self) -> HaproxySettings:
        if self.address is None and (self.more_addresses or self.dns):
            key = "more_addresses" if self.more_addresses else "dns"
            raise WrongValueError(
                key, "needs haproxy.address, the address that the balancers share"
            )
        if self.address in self.more_addresses:
            raise WrongValueError(
                "more_addresses", f"{self.address} is `address` already: take it out"
            )
        return self

    def brings(self, host: HostView) -> Brings:
        """See `roles/haproxy/brings.py`."""
        from groundcrew.roles.haproxy.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)
