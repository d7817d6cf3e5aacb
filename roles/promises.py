"""The arguments of `groundcrew.roles.verify`: what a host's settings promise as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict
from urllib.parse import urlsplit

from pyinfra import inventory, state

from groundcrew.contract import Brought
from groundcrew.memory import Share
from groundcrew.partial import Parts
from groundcrew.project import ROOT as PROJECT
from groundcrew.releases import stopping
from groundcrew.roles.app import claim
from groundcrew.roles.app.plan import required_python
from groundcrew.roles.nginx.context import servers
from groundcrew.roles.nginx.header_sets import site_headers
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.roles.preflight import Wanted
from groundcrew.roles.python.settings import PythonSettings
from groundcrew.roles.settings import HostSettings
from groundcrew.roles.tls.settings import TlsSettings
from groundcrew.roles.verify import Expected, Gzip, Root
from groundcrew.settings import Loaded, secret_programs

PYTHON_PUBLISHER = "https://github.com"
"""Where uv downloads Python from, unless `python.install_mirror` is set."""


SITES = ("app", "python", "nginx", "tls")
"""Roles that a site is made of."""


class VerifyArguments(TypedDict):
    """Keyword arguments of `groundcrew.roles.verify.apply`, besides the role's own settings."""

    expected: Expected
    brought: Brought
    parts: Parts
    sites: tuple[str, ...]


def verify_arguments(loaded: Loaded[HostSettings], parts: Parts | None = None) -> VerifyArguments:
    """The arguments of the verify role: what applications must deliver, and the roles' own
    checks. `parts` are the roles of the run; None: all."""
    settings = loaded.settings
    notes = stopping.stopped(settings.apps)
    away = {
        name: stopping.told(name, notes[name]) if name in notes else f"{name} is idle here"
        for name in settings.apps
        if name in notes or name in settings.idle_apps
    }
    apps = {name: app for name, app in settings.app.items() if name not in away}
    sites = {name: site_headers(settings.nginx, app) for name, app in settings.app.items()}
    behind = settings.place.behind
    expected = Expected(
        apps={**apps, **{name: app for name, app in behind.items() if name not in away}},
        stopped=away,
        inside={name: app for name, app in apps.items() if name in behind},
        entrance=settings.place.entrance,
        security_headers={name: dict(site.values) for name, site in sites.items()},
        yielding={name: frozenset(site.yielding) for name, site in sites.items()},
        owners={name: server.owner for server in servers(settings.app) for name in server.apps},
        gzip=gzip(settings.nginx) if settings.nginx.gzip else None,
        proxy_protocol=settings.nginx.proxy_protocol,
        nameless=nameless(settings),
        roots={
            name: root(settings.tls, loaded.roots, name)
            for name, app in {**apps, **behind}.items()
            if app.tls and name not in away
        },
    )
    return {
        "expected": expected,
        "brought": settings.brought,
        "parts": parts or Parts(settings.roles),
        "sites": SITES,
    }


def nameless(settings: HostSettings) -> frozenset[str]:
    """Applications whose port answers `/` to a load balancer's check under any host name."""
    check = settings.nginx.balancer_check
    asked = settings.app.get(check.app) if check else None
    if check is None or asked is None or check.full_path(asked) != "/":
        return frozenset()
    # With HTTPS, verify checks the HTTPS port instead.
    return frozenset(
        name for name, app in settings.app.items() if app.port == asked.port and not app.tls
    )


class CommonNeeds(TypedDict):
    """Needs of roles that do not depend on applications."""

    ports: dict[int, tuple[str, ...]]
    memory: tuple[Share, ...]
    places: tuple[str, ...]
    secrets: tuple[str, ...] | None


def wanted(settings: HostSettings) -> Wanted:
    """What the roles need from the host."""
    brought = settings.brought
    lacking = secret_programs.missing(settings, settings.secrets, PROJECT)
    common: CommonNeeds = {
        "ports": brought.bound_ports,
        "memory": tuple(brought.memory),
        "places": (*brought.needs, *_outside_the_run(settings)),
        "secrets": None if lacking is None else tuple(lacking),
    }
    if not settings.app:
        return Wanted({}, **common)
    python = settings.python
    claims = tuple(claim(name, item) for name, item in sorted(settings.app.items()))
    requires = {
        name: version
        for name, app in settings.app.items()
        if (version := required_python(app, PROJECT))
    }
    return Wanted(
        settings.app,
        budgets=tuple(item for item in settings.place.budgets if item.depends_on_cpus),
        interpreter=python.interpreter,
        fetched_from=python_place(python),
        claims=claims,
        requires=requires,
        **common,
    )


def _outside_the_run(settings: HostSettings) -> list[str]:
    """Services that the applications need on hosts that are not part of the run: they must answer
    already."""
    places = {
        place: provider
        for app in settings.app.values()
        for place, provider in app.bound.awaited.items()
    }
    return sorted(
        place
        for place, provider in places.items()
        if not state.is_host_in_limit(inventory.get_host(provider))
    )


def python_place(settings: PythonSettings) -> str:
    """Where the host downloads Python versions from: `HOST:PORT`, or a directory on the host."""
    mirror = urlsplit(settings.install_mirror or PYTHON_PUBLISHER)
    if mirror.scheme == "file":
        return mirror.path
    proxies = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    proxy = next((value for key in proxies if (value := settings.environment.get(key))), None)
    place = urlsplit(proxy) if proxy else mirror
    return f"{place.hostname}:{place.port or (80 if place.scheme == 'http' else 443)}"


def root(settings: TlsSettings, roots: Mapping[str, str | None], name: str) -> Root:
    """Trust anchor for the certificate of an application. `roots` has those of certificates that
    the run uploads."""
    if name in roots:
        return Root(pem=roots[name])
    return Root(known=settings.acme.trusted)


def gzip(settings: NginxSettings) -> Gzip:
    """The responses that nginx compresses."""
    return Gzip(settings.gzip_min_length, settings.gzip_types)
