"""Values shared by the host's servers, in nginx's syntax: client, scheme, host name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from groundcrew.manifest.model import AppSettings
from groundcrew.roles.nginx.access import default_connections, default_rate, only
from groundcrew.roles.nginx.headers import quote
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.templates import render

CHECK = "groundcrew-balancer-check"
"""Internal name of the server block for a balancer's check. No site has it."""


@dataclass(frozen=True)
class Check:
    """A load balancer's check, as the templates need it."""

    app: str
    port: int
    path: str
    domain: str
    """The host name that the application gets."""

    lines: list[str]
    """Access rules and limits."""

    server_name: str = CHECK


def check(settings: NginxSettings, apps: Mapping[str, AppSettings]) -> Check | None:
    """The balancer's check, which is answered under any host name; None if there is none."""
    wanted = settings.balancer_check
    app = apps.get(wanted.app) if wanted else None
    if wanted is None or app is None or not app.domains:
        return None
    allow = settings.trusted_proxies if wanted.allow is None else wanted.allow
    lines = [
        *default_rate(settings, application=True),
        *default_connections(settings),
        *(only(allow) if allow else []),
    ]
    domain = app.domains[0].replace("*.", "www.")
    return Check(wanted.app, app.port, quote(wanted.full_path(app)), domain, lines)


def visitors(settings: NginxSettings, apps: Mapping[str, AppSettings]) -> str:
    """The directives that determine client address, scheme and host name of a request."""
    balancer_check = check(settings, apps)
    patterns = [server_pattern(port, name) for port, name in https_servers(settings, apps)]
    return render(
        "nginx/visitors.conf.j2",
        settings=settings,
        https=dict.fromkeys(patterns),
        check=balancer_check,
    )


def https_servers(
    settings: NginxSettings, apps: Mapping[str, AppSettings]
) -> Iterator[tuple[int, str]]:
    """Port and first name of the HTTP servers whose visitors use HTTPS: sites behind a balancer
    that ends TLS, and the servers that answer health paths of sites that redirect to HTTPS."""
    balancer_check = check(settings, apps)
    for name, app in apps.items():
        if app.scheme == "https":
            yield app.port, next(iter(app.domains), "_")
            if balancer_check and balancer_check.app == name:
                yield app.port, balancer_check.server_name
            if not app.tls:
                yield from ((app.port, names[0]) for names in led(app).values())


def server_pattern(port: int, name: str) -> str:
    """A server, as `$server_port:$server_name`. A regular expression, as nginx's hash tables limit
    the length of plain strings."""
    return quote(f"~^{re.escape(f'{port}:{name}')}$")


def led(app: AppSettings) -> dict[str, list[str]]:
    """Domain -> the names that redirect to it."""
    redirects: dict[str, list[str]] = {}
    for name, target in app.redirects.items():
        redirects.setdefault(target, []).append(name)
    return redirects


def private(apps: Mapping[str, AppSettings]) -> str:
    """The locations that applications may name in X-Accel-Redirect."""
    places = [
        quote(f"~^{re.escape(f'{name} {app.root}{app.private.url}')}")
        for name, app in sorted(apps.items())
        if app.private
    ]
    return render("nginx/private.conf.j2", places=places)
