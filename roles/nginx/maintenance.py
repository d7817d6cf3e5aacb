"""Maintenance mode of an application in nginx's syntax."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from groundcrew.entries import File
from groundcrew.headers import merge
from groundcrew.templates import render
from roles.nginx.header_sets import site_headers
from roles.nginx.headers import quote
from roles.nginx.settings import NginxSettings

DIRECTORY = "/etc/nginx/groundcrew/maintenance"
PAGE_HEADERS: dict[str, str | None] = {
    # The page brings its own styles and images, which the sites' policies forbid; it runs nothing.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Content-Security-Policy-Report-Only": None,
    "Cache-Control": "no-store",
}


def page_url(name: str) -> str:
    """Where the page is inside nginx."""
    return f"/groundcrew-maintenance/{name}.html"


def maintenance_files(
    settings: NginxSettings, name: str, app: AppSettings, others: Sequence[str] = ()
) -> list[File]:
    """Who is let in (for nginx's http level), and what all others get (for the site's server).

    `others` are the prefixes of applications on the same server that lie below this one's.
    """
    paths = AppPaths(name)
    # A name has no underscore, so that two never become the same variable.
    variable = f"groundcrew_visitor_{name.replace('-', '_')}"
    own = {**PAGE_HEADERS, "Retry-After": str(app.maintenance.retry_after)}
    headers = merge(site_headers(settings, app).values, own)
    visitors = render(
        "nginx/maintenance-visitors.conf.j2",
        name=name,
        variable=variable,
        allow=dict.fromkeys(app.maintenance.allow),
    )
    site = render(
        "nginx/maintenance.conf.j2",
        name=name,
        variable=variable,
        paths=paths,
        page=page_url(name),
        own=prefix_pattern([app.root]) if app.root else None,
        others=prefix_pattern(others) if others else None,
        health=health_pattern(app.health.path, app.root),
        front=f"{app.root}/",
        headers={name: quote(value) for name, value in headers.items()},
    )
    return [
        File(f"{DIRECTORY}/{name}.visitors.conf", visitors),
        File(f"{DIRECTORY}/{name}.conf", site),
    ]


def prefix_pattern(prefixes: Sequence[str]) -> str:
    """A regular expression, quoted, for everything below some prefixes."""
    return quote(f"^({'|'.join(map(re.escape, prefixes))})(/|$)")


def health_pattern(path: str, root: str = "") -> str | None:
    """A regular expression, quoted, for nginx's decoded path of the health path; None where that
    is the front page, which visitors ask for."""
    decoded = unquote(path.partition("?")[0])
    return None if decoded == "/" else quote(f"^{re.escape(root + decoded)}$")
