"""What an application is told about a service: address, login, URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode


@dataclass(frozen=True)
class Login:
    """User and password, or the tokens that stand for them until the host fills them in."""

    user: str
    password: str


@dataclass(frozen=True)
class Location:
    """Where the provider is for an application on a certain host."""

    host: str
    """Address of the provider; 127.0.0.1 on the provider itself."""

    local: bool
    """Whether the application runs on the provider."""

    socket: bool
    """Whether it is reached over its Unix socket."""

    ca: str
    """File with the provider's certificate on the application's host; empty on the provider."""


@dataclass(frozen=True)
class Endpoint:
    """What an application is told, and what its host must know."""

    parts: Mapping[str, str]
    """Values by the names in `groundcrew.manifest.need.PARTS`."""

    answers: str = ""
    """`HOST:PORT` of a service on another host."""

    units: tuple[str, ...] = ()
    """Units on the application's own host that start before it."""


def url(
    scheme: str, login: Login, place: str, path: str, query: Mapping[str, str] | None = None
) -> str:
    """A URL. `place` is what stands between `@` and the path: `HOST:PORT`, or nothing."""
    parameters = urlencode(query or {}, quote_via=quote, safe="/")
    return (
        f"{scheme}://{quote(login.user, safe='')}:{quote(login.password, safe='')}@{place}/{path}"
        + (f"?{parameters}" if parameters else "")
    )
