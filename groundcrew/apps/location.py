"""Rules of nginx for a part of an application's paths."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from groundcrew.apps.cors import Cors
from groundcrew.apps.limits import RateLimit
from groundcrew.apps.secret import SecretSource
from groundcrew.apps.types import Network, Size
from groundcrew.headers import HeaderName, HeaderValue
from groundcrew.model import Settings

UserName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@-]{1,64}$")]

PlainPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~/-]*$")]
Target = Annotated[str, StringConstraints(pattern=r"^(https?://|/)[\x21-\x23\x25-\x7e]*$")]


def _one_spelling(key: str) -> str:
    return f"= {key[1:].strip()}" if key.startswith("=") else key


LocationKey = Annotated[
    str,
    StringConstraints(pattern=r"^(= ?)?/[A-Za-z0-9._~@:+,/-]*$"),
    AfterValidator(_one_spelling),
]
"""A path and everything that begins with it (`/api/`), or exactly one path (`= /metrics`)."""


class Cache(Settings):
    """Answers that nginx keeps for a moment, so that many visitors of a page are one request. Only
    GET and HEAD; neither used nor filled by requests with a Cookie or Authorization header, nor
    filled by answers that set a cookie. `X-Cache-Status` tells what happened."""

    valid: int = Field(1, ge=1)
    """Seconds. Answers that say it themselves (Cache-Control, Expires) are kept for that time, or
    not at all."""

    statuses: tuple[Annotated[int, Field(ge=200, le=599)], ...] = (200,)
    """Statuses that are kept."""


class Return(Settings):
    """A constant answer: the application is not asked."""

    status: int = Field(ge=200, le=599)
    """Its status."""

    url: Target | None = None
    """Where a redirect (301, 302, 303, 307, 308) leads: a URL, or a path of the application."""

    text: HeaderValue | None = None
    """Body, as plain text."""

    @model_validator(mode="after")
    def _redirects_lead_somewhere(self) -> Return:
        redirect = self.status in (301, 302, 303, 307, 308)
        if redirect != (self.url is not None):
            raise ValueError("a redirect (301, 302, 303, 307, 308) needs url, and only a redirect")
        if redirect and self.text is not None:
            raise ValueError("a redirect has no text")
        return self


class Location(Settings):
    """Rules for some paths. They hold for longer paths too, key by key, until those say otherwise;
    null lifts one."""

    client_max_body_size: Size | None = None
    """Largest request body; default: the application's."""

    proxy_read_timeout: int | None = Field(None, ge=1)
    """Seconds that nginx waits between two reads from the application; default: the application's.
    For server-sent events and WebSockets: longer than their longest silence."""

    buffering: bool | None = None
    """Whether nginx buffers answers; default: the application's. Off for streams such as
    server-sent events (or the application sends `X-Accel-Buffering: no`)."""

    allow: tuple[Network, ...] | None = None
    """Addresses and networks of clients that are let in, and the host itself; others get 403."""

    basic_auth: dict[UserName, SecretSource] | None = Field(None, min_length=1)
    """Users and where their passwords come from; others get 401. The host keeps only hashes."""

    auth_request: PlainPath | None = None
    """Path of the application that decides about each request: 2xx lets it in, 401 and 403 do not.
    It gets the request's headers and no body; X-Original-URI and X-Original-Method tell what is
    asked for."""

    limits: bool | None = None
    """Whether what one client may ask for is limited at all; default: as for the application."""

    rate_limit: RateLimit | None = None
    """Requests of one client, counted for all paths below together, besides the application's own
    limit and instead of the host's (`nginx.limits`)."""

    connections: int | None = Field(None, ge=1)
    """Requests of one client at the same time; more get 429."""

    cache: Cache | None = None
    """Keeping answers for a moment; off by default."""

    cors: Cors | None = None
    """Other sites' scripts."""

    headers: dict[HeaderName, HeaderValue | None] = Field(default_factory=dict)
    """Response headers, merged over those of the application; null removes one."""

    deny: bool = False
    """Whether everybody gets 403."""

    return_: Return | None = Field(None, alias="return")
    """A constant answer or a redirect."""

    @model_validator(mode="after")
    def _one_answer(self) -> Location:
        if self.deny and self.return_:
            raise ValueError("give either deny or return")
        if self.cache and self.buffering is False:
            raise ValueError("cache needs buffering")
        return self
