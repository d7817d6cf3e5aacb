"""Settings of the checks at the end of a run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from groundcrew.model import Settings

Port = Annotated[int, Field(ge=1, le=65535)]


class VerifySettings(Settings):
    """The checks that end a run; they change nothing."""

    address: str | None = None
    """Name or IP address at which the operator's machine reaches the host's web server; default:
    where it reaches the host by SSH."""

    http_port: Port | None = None
    """Port at which it is reached, where that is not the application's own (published ports)."""

    https_port: Port | None = None
    """The same for HTTPS."""

    min_certificate_days: int = Field(14, ge=0)
    """Days for which certificates must still be valid: those that renew themselves have done so
    long before."""

    json_path: str | None = Field(None, alias="json")
    """File on the operator's machine that gets the results of all hosts as JSON."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+")] | None = None
    """Check this URL instead, from the operator's machine only."""

    timeout: float = Field(10, gt=0)
    """Seconds that one request may take."""

    connect_timeout: float = Field(1, gt=0)
    """Seconds without an answer after which a port counts as closed; less where the open ports of a
    host answer at once."""

    settle: float = Field(2, ge=0)
    """Seconds over which units must not restart."""

    reuse_requests: int = Field(6, ge=2)
    """Requests that are made in a row to see connections to the application being reused."""

    firewall_ports: tuple[Port, ...] = (3306, 5432, 6379, 8000)
    """Ports besides a random one that must not answer from outside, unless they are declared."""

    listening: tuple[Port, ...] = ()
    """Ports besides the declared ones on which programs may listen on public addresses."""

    max_exposure: float = Field(1.0, ge=0, le=10)
    """Largest `systemd-analyze security` exposure of an application's units: those that serve,
    workers and timers. Where its manifest opens the network, as much more as that costs: 0.2 for
    `network: any`, 0.1 for a list."""

    host_max_exposure: float = Field(1.4, ge=0, le=10)
    """Largest exposure of what is root's: the unit that loads the packet filter at boot."""

    nginx_max_exposure: float = Field(2.4, ge=0, le=10)
    """Largest exposure of nginx, which starts as root to bind its ports."""
