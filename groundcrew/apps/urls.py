"""Who answers a path of an application: it, or nginx with files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from groundcrew.apps.frontend import Frontend
from groundcrew.apps.media import Media
from groundcrew.apps.private import Private
from groundcrew.apps.static import Static

Kind = Literal["application", "page", "asset", "static", "media", "private"]
"""The application, or nginx with the front end's pages or assets, static or uploaded files, or
files that only the application hands out."""


class Served(Protocol):
    """An application's settings that say what nginx serves."""

    @property
    def static(self) -> Static | None:
        """Files of a release."""

    @property
    def media(self) -> Media | None:
        """Uploaded files."""

    @property
    def private(self) -> Private | None:
        """Files that only the application hands out."""

    @property
    def frontend(self) -> Frontend | None:
        """A built front end."""


def claims(app: Served) -> Iterator[tuple[str, Kind, str]]:
    """Paths, who answers them, and the setting that says so: with everything below or, where they
    begin with `= `, exactly these. Longer ones win."""
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
    """All of these, with the front end at `/` where that is its place."""
    found = {path: kind for path, kind, _ in claims(app)}
    if app.frontend and app.frontend.url == "/":
        found["/"] = "page"
    return found


def kind_of(app: Served, path: str, *, exact: bool = True) -> Kind:
    """Who answers one path or, unless `exact`, the paths that begin with it."""
    path = path.partition("?")[0]
    owners = answering(app)
    if exact and f"= {path}" in owners:
        return owners[f"= {path}"]
    return owners[max((url for url in owners if path.startswith(url)), key=len)]


def clashes(app: Served) -> Iterator[str]:
    """What two settings both claim."""
    taken: dict[str, tuple[Kind, str]] = {}
    for path, kind, setting in claims(app):
        other = taken.setdefault(path, (kind, setting))
        if other[0] != kind:
            yield f"{setting} {path} is {other[1]} too"
