"""Settings of the verify role."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from groundcrew.contract import Brings, HostView, RoleSettings

Port = Annotated[int, Field(ge=1, le=65535)]


class VerifySettings(RoleSettings):
    """The checks that end a run; they change nothing."""

    address: str | None = None
    """Name or IP address under which the operator's machine reaches the host's web server; null:
    the address for SSH."""

    http_port: Port | None = None
    """Port under which the operator's machine reaches HTTP, if it is not the application's own
    (published ports); null: the application's own."""

    https_port: Port | None = None
    """Port under which the operator's machine reaches HTTPS, if it is not the application's own
    (published ports); null: the application's own."""

    min_certificate_days: int = Field(14, ge=0)
    """Days for which certificates must still be valid; certificates that renew themselves have done
    so long before."""

    json_path: str | None = Field(None, alias="json")
    """File on the operator's machine into which the results of all hosts are written as JSON; `-`
    for standard output."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+")] | None = None
    """URL that is checked instead, from the operator's machine only; null: the host's own sites."""

    timeout: float = Field(10, gt=0)
    """Seconds that one request may take."""

    connect_timeout: float = Field(1, gt=0)
    """Seconds without an answer after which a port counts as closed. If the open ports of a host
    answer at once, verify waits less."""

    settle: float = Field(2, ge=0)
    """Seconds during which units must not restart."""

    reuse_requests: int = Field(6, ge=2)
    """Number of requests that are made in a row to see that connections to the application are
    reused."""

    firewall_ports: tuple[Port, ...] = (3306, 5432, 6379, 8000)
    """Ports that must not answer from outside, unless they are declared; verify adds a random
    one."""

    listening: tuple[Port, ...] = ()
    """Ports on which programs may listen on public addresses, besides the declared ones."""

    max_exposure: float = Field(1.0, ge=0, le=10)
    """Largest exposure, as `systemd-analyze security` rates it, of the application's units:
    servers, workers and timers. A manifest that opens the network may have as much more as that
    costs: 0.2 for `network: any`, 0.1 for a list."""

    host_max_exposure: float = Field(1.4, ge=0, le=10)
    """Largest exposure of units that run as root: the one that loads the packet filter at boot."""

    def brings(self, host: HostView) -> Brings:
        """The Debian packages that the checks on the host use."""
        del host
        return Brings(packages=("iproute2", "logrotate"))
