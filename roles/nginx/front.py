"""Values of the host's servers in nginx's syntax: who asks, by which scheme, under which name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from groundcrew.apps.model import AppSettings
from groundcrew.templates import render
from roles.nginx.access import default_connections, default_rate, only
from roles.nginx.headers import quote
from roles.nginx.settings import NginxSettings

CHECK = "groundcrew-balancer-check"
"""Name of the server that a balancer's check comes to; no host has it."""


@dataclass(frozen=True)
class Check:
    """A load balancer's check, for the templates."""

    app: str
    port: int
    path: str
    domain: str
    """The name under which the application is asked."""

    lines: list[str]
    """Who may ask, and how often."""

    server_name: str = CHECK


def check(settings: NginxSettings, apps: Mapping[str, AppSettings]) -> Check | None:
    """The check that is answered whatever name is asked for."""
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
    """Who asks, and how."""
    found = check(settings, apps)
    patterns = [server_pattern(port, name) for port, name in https_servers(settings, apps)]
    return render(
        "nginx/visitors.conf.j2", settings=settings, https=dict.fromkeys(patterns), check=found
    )


def https_servers(
    settings: NginxSettings, apps: Mapping[str, AppSettings]
) -> Iterator[tuple[int, str]]:
    """Port and first name of the servers of plain HTTP whose visitors use HTTPS: those behind a
    balancer that ends TLS, and what answers health paths of sites that lead to HTTPS."""
    found = check(settings, apps)
    for name, app in apps.items():
        if app.scheme == "https":
            yield app.port, next(iter(app.domains), "_")
            if found and found.app == name:
                yield app.port, found.server_name
            if not app.tls:
                yield from ((app.port, names[0]) for names in led(app).values())


def server_pattern(port: int, name: str) -> str:
    """A server, as `$server_port:$server_name`; an expression, since nginx's tables of plain text
    have no room for long names."""
    return quote(f"~^{re.escape(f'{port}:{name}')}$")


def led(app: AppSettings) -> dict[str, list[str]]:
    """Domain -> the names that lead to it."""
    found: dict[str, list[str]] = {}
    for name, target in app.redirects.items():
        found.setdefault(target, []).append(name)
    return found


def private(apps: Mapping[str, AppSettings]) -> str:
    """Where the applications that have nginx send files may lead it."""
    places = [
        quote(f"~^{re.escape(f'{name} {app.root}{app.private.url}')}")
        for name, app in sorted(apps.items())
        if app.private
    ]
    return render("nginx/private.conf.j2", places=places)
