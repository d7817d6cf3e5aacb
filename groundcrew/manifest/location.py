"""Settings of nginx for some of an application's paths."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from groundcrew.headers import HeaderName, HeaderValue
from groundcrew.manifest.cors import Cors
from groundcrew.manifest.limits import RateLimit
from groundcrew.manifest.secret import OperatorSecret
from groundcrew.manifest.types import Network, Size
from groundcrew.model import Settings, WrongValueError

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
"""A path and everything that starts with it (`/api/`), or an exact path (`= /metrics`)."""


class Cache(Settings):
    """Answers that nginx keeps for a short time, so that many visitors of a page cause one request.
    It applies to GET and HEAD only. Requests with a Cookie or Authorization header neither use nor
    fill the cache, and answers that set a cookie do not fill it. The header `X-Cache-Status` tells
    what happened."""

    valid: int = Field(1, ge=1)
    """Seconds for which an answer is kept. If the answer has a time of its own (Cache-Control,
    Expires), that one holds, even if it forbids keeping."""

    statuses: tuple[Annotated[int, Field(ge=200, le=599)], ...] = (200,)
    """Status codes of the answers that are kept."""


class Return(Settings):
    """A constant answer of nginx; the application is not asked."""

    status: int = Field(ge=200, le=599)
    """Status code of the answer."""

    url: Target | None = None
    """Target of a redirect (301, 302, 303, 307, 308): a URL, or a path of the application."""

    text: HeaderValue | None = None
    """Body of the answer, as plain text."""

    @model_validator(mode="after")
    def _redirects_lead_somewhere(self) -> Return:
        redirect = self.status in (301, 302, 303, 307, 308)
        if redirect != (self.url is not None):
            raise WrongValueError(
                "url", "a redirect (301, 302, 303, 307, 308) needs one, and no other status has one"
            )
        if redirect and self.text is not None:
            raise WrongValueError("text", "a redirect has none")
        return self


class Location(Settings):
    """Rules for some paths. They also hold for longer paths, key by key, unless those have their
    own; null lifts a rule."""

    client_max_body_size: Size | None = None
    """Largest request body, in bytes or with K, M, G or T; null: the application's value."""

    proxy_read_timeout: int | None = Field(None, ge=1)
    """Seconds that nginx waits between two reads from the application; null: the application's
    value. Server-sent events and WebSockets need more than their longest silence."""

    buffering: bool | None = None
    """Whether nginx buffers answers; null: the application's value. Switch it off for streams such
    as server-sent events, or let the application send `X-Accel-Buffering: no`."""

    allow: tuple[Network, ...] | None = None
    """Addresses and networks of clients that are let in, besides the host itself; others get
    403."""

    basic_auth: dict[UserName, OperatorSecret] | None = Field(None, min_length=1)
    """Users, and where their passwords come from; everyone else gets 401. The host keeps only
    hashes of the passwords."""

    auth_request: PlainPath | None = None
    """Path of the application that decides about each request: 2xx lets the request in, 401 and 403
    refuse it. The path gets the request's headers but no body; X-Original-URI and X-Original-Method
    have the path and the method of the client's request."""

    limits: bool | None = None
    """Whether the requests of one client are limited at all; null: the application's value."""

    rate_limit: RateLimit | None = None
    """Limit on the requests of one client to all these paths together. It counts in addition to the
    application's own limit and replaces the host's (`nginx.limits`)."""

    connections: int | None = Field(None, ge=1)
    """Number of requests of one client at the same time; more get 429."""

    cache: Cache | None = None
    """How long nginx keeps answers; null: not at all."""

    cors: Cors | None = None
    """Which scripts of other sites may read the answers (CORS); null: the application decides."""

    headers: dict[HeaderName, HeaderValue | None] = Field(default_factory=dict)
    """Response headers, merged over those of the application's `nginx.headers`; null removes
    one."""

    deny: bool = False
    """Whether everyone gets 403."""

    return_: Return | None = Field(None, alias="return")
    """A constant answer or a redirect, instead of an answer of the application."""

    @model_validator(mode="after")
    def _one_answer(self) -> Location:
        if self.deny and self.return_:
            raise WrongValueError("deny", "give either deny or return")
        if self.cache and self.buffering is False:
            raise WrongValueError("cache", "needs buffering")
        return self
