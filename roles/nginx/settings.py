"""Settings of the web server."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, StringConstraints, field_validator, model_validator

from groundcrew.contract import Brings, HostView, RoleSettings
from groundcrew.headers import HeaderName, HeaderSet, HeaderValue, ReportUri
from groundcrew.manifest.types import Network
from groundcrew.model import WrongValueError
from groundcrew.roles.nginx.balancer import BalancerCheck
from groundcrew.roles.nginx.limits import ClientLimits

Size = Annotated[str, StringConstraints(pattern=r"^[0-9]+[kKmM]?$")]
MediaType = Annotated[str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9.+-]+$")]

GZIP_TYPES = (
    "application/atom+xml",
    "application/geo+json",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/problem+json",
    "application/rss+xml",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/xhtml+xml",
    "application/xml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/svg+xml",
    "image/x-icon",
    "text/css",
    "text/csv",
    "text/javascript",
    "text/markdown",
    "text/plain",
    "text/xml",
)


class NginxSettings(RoleSettings):
    """nginx, which faces the network for every application of the host."""

    max_exposure: float = Field(2.4, ge=0, le=10)
    """Largest exposure of its unit, as `systemd-analyze security` rates it; verify fails above it.
    nginx starts as root to bind its ports."""

    worker_processes: int | Literal["auto"] = Field("auto", union_mode="left_to_right")
    """Number of worker processes; `auto` = one per CPU."""

    worker_connections: int = Field(4096, ge=512)
    """Connections per worker. A proxied request takes two, and a slow client holds one for up to
    `client_header_timeout`: the default leaves room for others when there are some thousand slow
    clients."""

    worker_rlimit_nofile: int = Field(16384, ge=1024)
    """Open files per worker, also LimitNOFILE of the service; must be at least twice
    `worker_connections`."""

    backlog: int = Field(4096, ge=64)
    """Connections on each port that can wait for a worker; must not exceed net.core.somaxconn
    (`base.sysctl`)."""

    worker_shutdown_timeout: int = Field(300, ge=1)
    """Seconds after a reload at which an old worker closes connections that are still open
    (downloads, WebSockets)."""

    ipv6: bool = True
    """Whether nginx also listens on IPv6; switch it off if the kernel has none."""

    status_port: int = Field(8090, ge=1, le=65535)
    """Port on 127.0.0.1 where `/status` answers with nginx's counters (stub_status)."""

    traffic_port: int = Field(3903, ge=1, le=65535)
    """Port at which monitoring reads the number of requests that each application has answered and
    its response times, on hosts that are monitored."""

    trusted_proxies: tuple[Network, ...] = ()
    """Load balancers in front of this host, by address or network. Only from them does nginx
    believe X-Forwarded-For (the client's address, for limits, logs, allow lists and applications)
    and X-Forwarded-Proto (whether the client spoke HTTPS). They must set X-Forwarded-For or add to
    it, and nobody else may be able to send from their addresses. If they end TLS and do not set
    X-Forwarded-Proto, set `forwarded_proto` in an application's `nginx`."""

    proxy_protocol: bool = False
    """Whether the load balancers begin each connection with the PROXY protocol, version 1 or 2 (AWS
    NLB, HAProxy's `send-proxy`). It needs `trusted_proxies`: only from them does it tell the
    client's address, in place of X-Forwarded-For. X-Forwarded-Proto does not count, because such
    balancers pass on the client's own headers (see `forwarded_proto` in an application's `nginx`).
    Connections without the protocol are refused, except those of the host itself."""

    balancer_check: BalancerCheck | None = None
    """Path that nginx answers for every host name, for the health check of a load balancer; null:
    none."""

    limits: ClientLimits = ClientLimits()
    """Limits for each client address."""

    client_header_timeout: int = Field(10, ge=1)
    """Seconds in which a client must have sent its whole request header, against slow clients
    (slowloris)."""

    client_body_timeout: int = Field(15, ge=1)
    """Seconds that nginx waits between two reads of a request body."""

    send_timeout: int = Field(15, ge=1)
    """Seconds that nginx waits between two writes to a client."""

    keepalive_timeout: int = Field(65, ge=0)
    """Seconds that an idle connection of a client stays open."""

    keepalive_requests: int = Field(1000, ge=1)
    """Requests after which a connection of a client is closed.
    Source: <https://nginx.org/en/docs/http/ngx_http_core_module.html#keepalive_requests>."""

    large_client_header_buffers: Annotated[
        str, StringConstraints(pattern=r"^[0-9]+ [0-9]+[kKmM]?$")
    ] = "4 8k"
    """Number and size of the buffers for long request headers; each line must fit into one buffer.
    Source: <https://nginx.org/en/docs/http/ngx_http_core_module.html#large_client_header_buffers>."""

    upstream_keepalive_time: int = Field(5, ge=1)
    """Seconds after which nginx closes a connection to an application, once its request has ended.
    A replaced release still gets requests over connections that were opened before: this setting
    and `upstream_keepalive_timeout` limit for how long, and so how long it must be drained."""

    upstream_keepalive_timeout: int = Field(5, ge=1)
    """Seconds that an idle connection to an application stays open; must be shorter than the
    `keep_alive` of the application's server."""

    upstream_keepalive_requests: int = Field(10000, ge=1)
    """Requests after which nginx closes a connection to an application."""

    proxy_buffer_size: Size = "16k"
    """Size of the buffer for an application's response header, in bytes or with k or m; a longer
    header (large cookies) gives a 502."""

    proxy_buffers: Annotated[str, StringConstraints(pattern=r"^[0-9]+ [0-9]+[kKmM]?$")] = "16 16k"
    """Number and size of the buffers for one response."""

    gzip: bool = True
    """Whether nginx compresses text."""

    gzip_level: int = Field(6, ge=1, le=9)
    """Effort of gzip, from 1 (fast) to 9 (small)."""

    gzip_min_length: int = Field(1000, ge=0)
    """Size in bytes below which a response is not compressed, because it would not fit into fewer
    packets."""

    gzip_types: tuple[MediaType, ...] = GZIP_TYPES
    """Media types that are compressed, besides text/html."""

    brotli: bool = False
    """Whether browsers that understand Brotli (over HTTPS) get text compressed by it, with Debian's
    own module: about a sixth smaller than by gzip. Files that a front end's build has compressed
    (`app.js.br`) are sent as they are."""

    brotli_level: int = Field(4, ge=0, le=11)
    """Effort of Brotli, from 0 (fast) to 11 (small); from 5 on it is much slower."""

    open_file_cache: int = Field(1000, ge=0)
    """Number of assets of front ends that each worker keeps open, for a second at a time; 0 = none.
    Only these files are kept open, because their names change with their content: otherwise a new
    release could be served half old."""

    cache_size: Size = "256m"
    """Disk space for cached answers (`cache` in an application's `nginx.locations`), in bytes or
    with k or m."""

    cache_inactive: int = Field(60, ge=1)
    """Seconds after which a cached answer that nobody has asked for is removed. Also the largest
    age of an answer that is sent while a newer one is fetched."""

    header_set: HeaderSet = "baseline"
    """Response headers that every site sends with every status. `baseline` breaks no ordinary
    application: scripts and styles may be inline or come from elsewhere, and a header that the
    application sends itself holds. `strict` allows only files of the site itself, nothing from or
    in other sites, and replaces the application's own headers.
    Source: <https://owasp.org/www-project-secure-headers/>."""

    report_only: bool = False
    """Whether browsers only report what the Content-Security-Policy and
    Cross-Origin-Embedder-Policy of `strict` would stop, to try them on a live site. The policy of
    `baseline` applies meanwhile."""

    report_uri: ReportUri | None = None
    """URL, or path of the site, to which browsers send reports about the policies of `strict`;
    null: none."""

    security_headers: dict[HeaderName, HeaderValue | None] = Field(default_factory=dict)
    """Response headers of every site, merged over the header set; null removes one. If an
    application sends the same header, its own is dropped, so that none is sent twice. An
    application changes them with `nginx.headers`."""

    hide_headers: tuple[HeaderName, ...] = ("X-Powered-By", "X-AspNet-Version", "X-Runtime")
    """Response headers of applications that nginx drops, because they name software and
    versions."""

    _counts: bool = PrivateAttr(False)

    @property
    def counts(self) -> bool:
        """Whether requests are counted for monitoring."""
        return self._counts

    def counting(self, counts: bool) -> Self:
        """These settings, on a host that is monitored or not."""
        copy = self.model_copy()
        copy._counts = counts
        return copy

    @field_validator("trusted_proxies")
    @classmethod
    def _not_everybody(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            if network.endswith("/0"):
                raise ValueError(f"{network} is everybody: every client could claim any address")
        return networks

    @model_validator(mode="after")
    def _somebody_is_trusted(self) -> NginxSettings:
        if self.proxy_protocol and not self.trusted_proxies:
            raise WrongValueError(
                "trusted_proxies",
                "proxy_protocol needs them: the addresses of the balancers that speak it",
            )
        return self

    @property
    def client_connections(self) -> int | None:
        """Requests of one client address at the same time; None = no limit."""
        if self.limits.connections == "auto":
            return self.worker_connections // 4
        return self.limits.connections

    @model_validator(mode="after")
    def _nobody_takes_all(self) -> NginxSettings:
        taken = 2 * (self.client_connections or 0)
        if taken >= self.worker_connections:
            raise WrongValueError(
                "limits.connections",
                f"{self.client_connections} must be below half of worker_connections "
                f"({self.worker_connections}): a proxied request takes two, and one client could "
                "take all",
            )
        return self

    @model_validator(mode="after")
    def _files_suffice(self) -> NginxSettings:
        if self.worker_rlimit_nofile < 2 * self.worker_connections:
            raise WrongValueError(
                "worker_rlimit_nofile",
                f"{self.worker_rlimit_nofile} must be at least twice worker_connections "
                f"({self.worker_connections}): a proxied request takes two",
            )
        return self

    def brings(self, host: HostView) -> Brings:
        """See `roles/nginx/brings.py`."""
        from groundcrew.roles.nginx.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)
