"""The web server's part of an application."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from groundcrew.headers import HeaderName, HeaderSet, HeaderValue, ReportUri
from groundcrew.manifest.limits import RateLimit
from groundcrew.manifest.location import Location, LocationKey
from groundcrew.manifest.rules import rules_for
from groundcrew.manifest.types import Size
from groundcrew.model import Settings, WrongValueError


class Site(Settings):
    """What nginx does for this application."""

    client_max_body_size: Size = "10M"
    """Largest request body, in bytes or with K, M, G or T; a larger one gets 413."""

    proxy_read_timeout: int = Field(60, ge=1)
    """Seconds that nginx waits between two reads from the application.
    Source: <https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_read_timeout>."""

    proxy_connect_timeout: int = Field(5, ge=1)
    """Seconds that nginx waits for a connection to the application."""

    header_set: HeaderSet | None = None
    """Set of response headers, `baseline` or `strict`; null: the host's (`nginx.header_set`)."""

    report_only: bool | None = None
    """Whether browsers only report what the policies of `strict` would stop; null: the host's value
    (`nginx.report_only`)."""

    report_uri: ReportUri | None = None
    """URL or path to which browsers send reports; null: the host's value (`nginx.report_uri`)."""

    headers: dict[HeaderName, HeaderValue | None] = Field(default_factory=dict)
    """Response headers, merged over the header set and the host's `nginx.security_headers`; null
    removes one and lets the application's own pass."""

    forwarded_proto: Literal["https"] | None = None
    """`https` if visitors come through a load balancer that ends TLS. Every request then counts as
    HTTPS, including those of verify and those that probe releases, unless one of the host's
    `nginx.trusted_proxies` says otherwise (X-Forwarded-Proto). Applications that share their
    domains must have the same value. Refused with `tls`. null: what the trusted proxies say, and
    plain HTTP where they say nothing."""

    keepalive: int = Field(32, ge=1)
    """Idle connections to the application that each nginx worker keeps open."""

    buffering: bool = True
    """Whether nginx buffers answers; switch it off for streams."""

    limits: bool = True
    """Whether the requests of one client are limited at all: by `rate_limit` and `connections`, or
    else by the host's `nginx.limits`."""

    rate_limit: RateLimit | None = None
    """Limit on the requests of one client to the application, instead of the host's `nginx.limits`.
    Requests for files that nginx serves itself do not count."""

    connections: int | None = Field(None, ge=1)
    """Number of requests of one client to the application at the same time, instead of the host's
    `nginx.limits`; more get 429."""

    locations: dict[LocationKey, Location] = Field(default_factory=dict)
    """Rules for some paths: for a path and everything that begins with it (`/api/`), or for exactly
    one (`= /metrics`). The paths are relative to `prefix`."""

    @model_validator(mode="after")
    def _cache_has_buffers(self) -> Site:
        for key, rules in self.locations.items():
            path = key.removeprefix("= ")
            effective = rules_for(path, self.locations, exact=key.startswith("=")).values
            if effective.cache and effective.buffering is False:
                raise WrongValueError(("locations", key, "cache"), "needs buffering")
            if rules.cache and not self.buffering and effective.buffering is None:
                raise WrongValueError(("locations", key, "cache"), "needs buffering")
        return self
