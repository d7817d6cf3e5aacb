"""What serves a path of an application: the application, or nginx from files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from groundcrew.manifest.frontend import Frontend
from groundcrew.manifest.media import Media
from groundcrew.manifest.private import Private
from groundcrew.manifest.static import Static

Kind = Literal["application", "page", "asset", "static", "media", "private"]
"""The application, or nginx: pages and assets of the front end, static files, uploads, or files
that the application sends through nginx."""


class Served(Protocol):
    """The settings that decide what nginx serves."""

    @property
    def static(self) -> Static | None:
        """Static files of a release."""

    @property
    def media(self) -> Media | None:
        """Uploaded files."""

    @property
    def private(self) -> Private | None:
        """Files that the application sends through nginx."""

    @property
    def frontend(self) -> Frontend | None:
        """The front end."""


def claims(app: Served) -> Iterator[tuple[str, Kind, str]]:
    """Path, kind and setting of everything that is served. A path includes everything below it, or
    is exact if it starts with `= `. The longest match wins."""
    yield "/", "application", "/"
    if app.static:
        yield app.static.url, "static", "static.url"
    if app.media:
        yield app.media.url, "media", "media.url"
    if app.private:
        yield app.private.url, "private", "private.url"
    if app.frontend:
        if app.frontend.url != "/":
            yield app.frontend.url, "page", "frontend.url"
        for url in app.frontend.asset_urls:
            yield url, "asset", "frontend.assets"
        for url in app.frontend.api:
            if url.endswith("/"):
                yield url, "application", "frontend.api"
                yield f"= {url.rstrip('/')}", "application", "frontend.api"
            else:
                yield f"= {url}", "application", "frontend.api"


def answering(app: Served) -> dict[str, Kind]:
    """Path -> kind, with the front end at `/` if it is served there."""
    kinds = {path: kind for path, kind, _ in claims(app)}
    if app.frontend and app.frontend.url == "/":
        kinds["/"] = "page"
    return kinds


def kind_of(app: Served, path: str, *, exact: bool = True) -> Kind:
    """What serves one path or, unless `exact`, the paths that start with it."""
    path = path.partition("?")[0]
    owners = answering(app)
    if exact and f"= {path}" in owners:
        return owners[f"= {path}"]
    return owners[max((url for url in owners if path.startswith(url)), key=len)]


def clashes(app: Served) -> Iterator[tuple[str, str]]:
    """Settings that claim a path of another one, and which."""
    taken: dict[str, tuple[Kind, str]] = {}
    for path, kind, setting in claims(app):
        other = taken.setdefault(path, (kind, setting))
        if other[0] != kind:
            yield setting, f"{path} is {other[1]} too"
