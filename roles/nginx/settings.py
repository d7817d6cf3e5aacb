"""Settings of the web server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from groundcrew.apps.types import Network
from groundcrew.headers import HeaderName, HeaderSet, HeaderValue, ReportUri
from groundcrew.model import Settings
from roles.nginx.balancer import BalancerCheck
from roles.nginx.limits import ClientLimits

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


class NginxSettings(Settings):
    """nginx, which faces the network for every application of the host."""

    worker_processes: int | Literal["auto"] = Field("auto", union_mode="left_to_right")
    """Worker processes; `auto` = one per CPU."""

    worker_connections: int = Field(4096, ge=512)
    """Connections per worker. A proxied request takes two, and a slow client holds one for up to
    `client_header_timeout`: enough that some thousand slow ones do not shut out the others."""

    worker_rlimit_nofile: int = Field(16384, ge=1024)
    """Open files per worker, also LimitNOFILE of the service; at least twice the connections."""

    backlog: int = Field(4096, ge=64)
    """Connections on each port that may wait until a worker takes them; at most net.core.somaxconn
    (`base.sysctl`)."""

    worker_shutdown_timeout: int = Field(300, ge=1)
    """Seconds after which a worker that a reload replaced closes what is still open (downloads,
    WebSockets)."""

    ipv6: bool = True
    """Whether to listen on IPv6 too; off where the kernel has none."""

    status_port: int = Field(8090, ge=1, le=65535)
    """Port on 127.0.0.1 where `/status` answers with nginx's counters (stub_status)."""

    trusted_proxies: tuple[Network, ...] = ()
    """Load balancers in front of this host, by address or network. Of their requests, and of no
    others, X-Forwarded-For tells the client's address, for limits, logs, allow lists and
    applications, and X-Forwarded-Proto whether the client spoke HTTPS. They must set the first, or
    add to it, and nobody else may send from their addresses. Where they end TLS and do not set the
    second, say `forwarded_proto` in an application's `nginx`."""

    proxy_protocol: bool = False
    """Whether the balancers begin each connection with the PROXY protocol, version 1 or 2 (AWS NLB,
    HAProxy's `send-proxy`). Of `trusted_proxies`, which it needs, and of no others, that tells the
    client's address, instead of X-Forwarded-For; X-Forwarded-Proto counts for nothing, since who
    passes connections on passes the client's headers too (see `forwarded_proto` in an application's
    `nginx`). Whoever connects without it is refused, but for the host itself."""

    balancer_check: BalancerCheck | None = None
    """A path that is answered whatever name is asked for; default: none."""

    limits: ClientLimits = ClientLimits()
    """What one client address may take."""

    client_header_timeout: int = Field(10, ge=1)
    """Seconds in which a client must have sent its whole request header (slowloris)."""

    client_body_timeout: int = Field(15, ge=1)
    """Seconds between two reads of a request body."""

    send_timeout: int = Field(15, ge=1)
    """Seconds between two writes to a client."""

    keepalive_timeout: int = Field(65, ge=0)
    """Seconds that an idle client connection is kept."""

    keepalive_requests: int = Field(1000, ge=1)
    """Requests after which a client connection is closed."""

    large_client_header_buffers: Annotated[
        str, StringConstraints(pattern=r"^[0-9]+ [0-9]+[kKmM]?$")
    ] = "4 8k"
    """Number and size of buffers for long request headers; one line must fit into one buffer."""

    upstream_keepalive_time: int = Field(5, ge=1)
    """Seconds after which a connection to an application is closed at the end of a request. A
    release that was replaced still gets requests over connections opened before: this and
    `upstream_keepalive_timeout` together bound for how long, and how long it must be drained."""

    upstream_keepalive_timeout: int = Field(5, ge=1)
    """Seconds that an idle connection to an application is kept; must be below the application
    server's own `keep_alive`."""

    upstream_keepalive_requests: int = Field(10000, ge=1)
    """Requests after which a connection to an application is closed."""

    proxy_buffer_size: Size = "16k"
    """Buffer for an application's response header: a longer one (large cookies) is a 502."""

    proxy_buffers: Annotated[str, StringConstraints(pattern=r"^[0-9]+ [0-9]+[kKmM]?$")] = "16 16k"
    """Number and size of buffers for one response."""

    gzip: bool = True
    """Whether text is compressed."""

    gzip_level: int = Field(6, ge=1, le=9)
    """Effort: 1 fast, 9 small."""

    gzip_min_length: int = Field(1000, ge=0)
    """Bytes below which a response is not compressed (it would not fit into fewer packets)."""

    gzip_types: tuple[MediaType, ...] = GZIP_TYPES
    """Media types that are compressed, besides text/html."""

    brotli: bool = False
    """Whether browsers that understand it (over HTTPS) get text compressed by Brotli: about a sixth
    smaller than by gzip, with Debian's own module. Files of a front end that its build compressed
    (`app.js.br`) are sent as they are."""

    brotli_level: int = Field(4, ge=0, le=11)
    """Effort of Brotli; from 5 on much slower."""

    open_file_cache: int = Field(1000, ge=0)
    """Assets of front ends that each worker keeps open, a second at a time; 0 = none. Their names
    change with their content; of files that do not, a release would be served half old."""

    cache_size: Size = "256m"
    """Disk space of answers that are kept (`cache` in an application's `nginx.locations`)."""

    cache_inactive: int = Field(60, ge=1)
    """Seconds after which a kept answer that nobody asked for is removed; how old an answer can be
    that is given while a newer one is fetched."""

    header_set: HeaderSet = "baseline"
    """Response headers on every status of every site. `baseline` breaks no ordinary application:
    scripts and styles may be in pages and come from elsewhere, and where the application sends a
    header of its own, that one holds. `strict` is the OWASP Secure Headers Project's: only files
    of the site itself, nothing from or in other sites; it replaces the application's own."""

    report_only: bool = False
    """Whether browsers only report what `strict`'s Content-Security-Policy and
    Cross-Origin-Embedder-Policy would stop, to try it on a living site; the baseline's policy holds
    meanwhile."""

    report_uri: ReportUri | None = None
    """Where browsers send reports about `strict`'s policy: a URL, or a path of the site."""

    security_headers: dict[HeaderName, HeaderValue | None] = Field(default_factory=dict)
    """Response headers of every site, merged over the set; null removes one. The same header from
    an application is dropped, so that none comes twice. An application changes them with
    `nginx.headers`."""

    hide_headers: tuple[HeaderName, ...] = ("X-Powered-By", "X-AspNet-Version", "X-Runtime")
    """Response headers of applications that are dropped: they name software and versions."""

    @field_validator("trusted_proxies")
    @classmethod
    def _not_everybody(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            if network.endswith("/0"):
                raise ValueError(f"{network} is everybody: every client could say who it is")
        return networks

    @model_validator(mode="after")
    def _somebody_is_trusted(self) -> NginxSettings:
        if self.proxy_protocol and not self.trusted_proxies:
            raise ValueError(
                "proxy_protocol needs trusted_proxies: the addresses of the balancers that speak it"
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
            raise ValueError(
                f"limits.connections ({self.client_connections}) must be below half of "
                f"worker_connections ({self.worker_connections}): a proxied request takes two, and "
                "one client could take all"
            )
        return self

    @model_validator(mode="after")
    def _files_suffice(self) -> NginxSettings:
        if self.worker_rlimit_nofile < 2 * self.worker_connections:
            raise ValueError(
                f"worker_rlimit_nofile ({self.worker_rlimit_nofile}) must be at least twice "
                f"worker_connections ({self.worker_connections}): a proxied request takes two"
            )
        return self
