"""The web server's part of an application."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from groundcrew.apps.limits import RateLimit
from groundcrew.apps.location import Location, LocationKey
from groundcrew.apps.rules import rules_for
from groundcrew.apps.types import Size
from groundcrew.headers import HeaderName, HeaderSet, HeaderValue, ReportUri
from groundcrew.model import Settings


class Site(Settings):
    """What nginx does for this application."""

    client_max_body_size: Size = "10M"
    """Largest request body; more is answered with 413."""

    proxy_read_timeout: int = Field(60, ge=1)
    """Seconds that nginx waits between two reads from the application."""

    proxy_connect_timeout: int = Field(5, ge=1)
    """Seconds that nginx waits for a connection to the application."""

    header_set: HeaderSet | None = None
    """`baseline` or `strict`; default: the host's (`nginx.header_set`)."""

    report_only: bool | None = None
    """Whether `strict`'s policies only report; default: the host's (`nginx.report_only`)."""

    report_uri: ReportUri | None = None
    """Where browsers send reports; default: the host's (`nginx.report_uri`)."""

    headers: dict[HeaderName, HeaderValue | None] = Field(default_factory=dict)
    """Response headers, merged over the set and `nginx.security_headers`; null removes one and lets
    the application's own pass."""

    forwarded_proto: Literal["https"] | None = None
    """`https` where visitors come by way of a load balancer that ends TLS: every request then
    counts as HTTPS, verify's and those that probe releases too, unless one of
    `nginx.trusted_proxies` of the host says otherwise (X-Forwarded-Proto). Applications that share
    their domains need the same; not with `tls`. Default: what the trusted proxies say, and plain
    HTTP where they say nothing."""

    keepalive: int = Field(32, ge=1)
    """Idle connections to the application that each nginx worker keeps open."""

    buffering: bool = True
    """Whether nginx buffers answers; off for streams."""

    limits: bool = True
    """Whether what one client may ask for is limited at all: by the two keys below or else by
    `nginx.limits` of the host."""

    rate_limit: RateLimit | None = None
    """Requests of one client to the application, instead of `nginx.limits`; files that nginx serves
    itself do not count."""

    connections: int | None = Field(None, ge=1)
    """Requests of one client to the application at the same time, instead of `nginx.limits`; more
    get 429."""

    locations: dict[LocationKey, Location] = Field(default_factory=dict)
    """Rules for some paths: a path and everything that begins with it (`/api/`), or exactly one
    (`= /metrics`). Relative to `prefix`."""

    @model_validator(mode="after")
    def _cache_has_buffers(self) -> Site:
        for key, rules in self.locations.items():
            path = key.removeprefix("= ")
            effective = rules_for(path, self.locations, exact=key.startswith("=")).values
            if effective.cache and effective.buffering is False:
                raise ValueError(f'locations "{key}": cache needs buffering')
            if rules.cache and not self.buffering and effective.buffering is None:
                raise ValueError(f'locations "{key}": cache needs buffering')
        return self
