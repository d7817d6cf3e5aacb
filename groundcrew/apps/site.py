"""The web server's part of an application."""

from __future__ import annotations

from pydantic import Field

from groundcrew.apps.types import Size
from groundcrew.headers import HeaderName, HeaderValue
from groundcrew.model import Settings


class Site(Settings):
    """What nginx does for this application."""

    client_max_body_size: Size = "10M"
    """Largest request body; more is answered with 413."""

    proxy_read_timeout: int = Field(60, ge=1)
    """Seconds that nginx waits between two reads from the application."""

    proxy_connect_timeout: int = Field(5, ge=1)
    """Seconds that nginx waits for a connection to the application."""

    headers: dict[HeaderName, HeaderValue | None] = Field(default_factory=dict)
    """Response headers, merged over `nginx.security_headers`; null removes one and lets the
    application's own pass."""

    keepalive: int = Field(32, ge=1)
    """Idle connections to the application that each nginx worker keeps open."""

    buffering: bool = True
    """Whether nginx buffers answers; off for streams."""
