"""Maintenance mode of an application in nginx's syntax."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

from groundcrew.entries import File
from groundcrew.headers import merge
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.roles.nginx.header_sets import site_headers
from groundcrew.roles.nginx.headers import quote
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.templates import render

DIRECTORY = "/etc/nginx/groundcrew/maintenance"
PAGE_HEADERS: dict[str, str | None] = {
    # The page has inline styles and images, which the sites' policies forbid; it runs no scripts.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Content-Security-Policy-Report-Only": None,
    "Cache-Control": "no-store",
}


def page_url(name: str) -> str:
    """Internal URI of the maintenance page."""
    return f"/groundcrew-maintenance/{name}.html"


def maintenance_files(
    settings: NginxSettings, name: str, app: AppSettings, others: Sequence[str] = ()
) -> list[File]:
    """The files of maintenance mode: admitted visitors (http level), and the answer to all others
    (server block).

    `others` are the prefixes of applications on the same server below this one's.
    """
    paths = AppPaths(name)
    # Application names contain no underscore, so two names never yield the same variable.
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
    """A quoted regular expression that matches everything below the prefixes."""
    return quote(f"^({'|'.join(map(re.escape, prefixes))})(/|$)")


def health_pattern(path: str, root: str = "") -> str | None:
    """A quoted regular expression for the decoded health path. None if it is the front page, which
    visitors request."""
    decoded = unquote(path.partition("?")[0])
    return None if decoded == "/" else quote(f"^{re.escape(root + decoded)}$")
