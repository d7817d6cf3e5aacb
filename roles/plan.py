"""What a host's settings promise as a whole: the arguments of `roles.verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict
from urllib.parse import urlsplit

from groundcrew.facts import nftables
from groundcrew.facts.sshd import SshdState
from groundcrew.settings import Loaded
from roles import firewall, wiring
from roles.app import claim
from roles.app.plan import required_python
from roles.base import hardening_files as hardening
from roles.firewall.settings import allowed_ports
from roles.nginx.context import servers
from roles.nginx.header_sets import site_headers
from roles.nginx.settings import NginxSettings
from roles.preflight import Wanted
from roles.python.settings import PythonSettings
from roles.settings import HostSettings
from roles.ssh import builders as ssh
from roles.ssh.settings import SshSettings
from roles.tls.settings import TlsSettings
from roles.verify import Expected, Gzip, Root

PYTHON_PUBLISHER = "https://github.com"
"""Where uv has Pythons from, unless it is told another place."""


class VerifyArguments(TypedDict):
    """Keyword arguments of `roles.verify.apply`, besides its own settings."""

    expected: Expected


def verify_arguments(loaded: Loaded[HostSettings]) -> VerifyArguments:
    """The promises of all roles."""
    settings = loaded.settings
    admins = [name for name, admin in settings.users.admins.items() if admin is not None]
    sites = {name: site_headers(settings.nginx, app) for name, app in settings.app.items()}
    expected = Expected(
        apps=settings.app,
        security_headers={name: dict(site.values) for name, site in sites.items()},
        yielding={name: frozenset(site.yielding) for name, site in sites.items()},
        owners={name: server.owner for server in servers(settings.app) for name in server.apps},
        gzip=gzip(settings.nginx) if settings.nginx.gzip else None,
        status_port=settings.nginx.status_port,
        proxy_protocol=settings.nginx.proxy_protocol,
        nameless=nameless(settings),
        admins=admins,
        sshd=sshd(wiring.ssh(settings), admins),
        roots={
            name: root(settings.tls, loaded.roots, name)
            for name, app in settings.app.items()
            if app.tls
        },
        declared_ports={port for app in settings.app.values() for port in app.ports}
        | allowed_ports(settings.firewall),
        firewall=settings.firewall.enabled,
        own_units=own_units(settings),
        time_sync=settings.base.time_sync,
        apparmor=settings.base.apparmor,
        unattended_upgrades=settings.base.unattended_upgrades,
    )
    return {"expected": expected}


def nameless(settings: HostSettings) -> frozenset[str]:
    """The applications on a port where a balancer's check is for the front page."""
    check = settings.nginx.balancer_check
    asked = settings.app.get(check.app) if check else None
    if check is None or asked is None or check.full_path(asked) != "/":
        return frozenset()
    # With HTTPS, verify asks there.
    return frozenset(
        name for name, app in settings.app.items() if app.port == asked.port and not app.tls
    )


def own_units(settings: HostSettings) -> list[str]:
    """Units of the host's own: what loads the packet filter, and what looks at its files."""
    found = [nftables.unit(firewall.TABLE)] if settings.firewall.enabled else []
    return [*found, *hardening.services(settings.base)]


def wanted(settings: HostSettings) -> Wanted:
    """What the roles will ask of the host."""
    if not settings.app:
        return Wanted({}, {})
    ports: dict[int, tuple[str, ...]] = {
        port: ("nginx.service",) for item in settings.app.values() for port in item.ports
    }
    if settings.nginx.status_port:
        ports[settings.nginx.status_port] = ("nginx.service",)
    python = settings.python
    claims = tuple(claim(name, item) for name, item in sorted(settings.app.items()))
    requires = {
        name: found
        for name, app in settings.app.items()
        if (found := required_python(app, wiring.PROJECT))
    }
    return Wanted(settings.app, ports, python.interpreter, python_place(python), claims, requires)


def python_place(settings: PythonSettings) -> str:
    """Where a host reaches the Pythons that uv fetches: `HOST:PORT`, or a directory on it."""
    mirror = urlsplit(settings.install_mirror or PYTHON_PUBLISHER)
    if mirror.scheme == "file":
        return mirror.path
    proxies = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    proxy = next((found for key in proxies if (found := settings.environment.get(key))), None)
    place = urlsplit(proxy) if proxy else mirror
    return f"{place.hostname}:{place.port or (80 if place.scheme == 'http' else 443)}"


def root(settings: TlsSettings, roots: Mapping[str, str | None], name: str) -> Root:
    """Whom verify trusts for an application's certificate; `roots` are those of certificates that
    runs bring."""
    if name in roots:
        return Root(pem=roots[name])
    return Root(known=settings.acme.trusted)


def gzip(settings: NginxSettings) -> Gzip:
    """Which responses nginx compresses."""
    return Gzip(settings.gzip_min_length, settings.gzip_types)


def sshd(settings: SshSettings, admins: Sequence[str]) -> dict[str, str]:
    """sshd's settings that do not depend on what a host has, as `sshd -T` prints them."""
    declared = ssh.expected(ssh.directives(settings, SshdState(), admins))
    return {keyword: " ".join(values) for keyword, values in declared.items()}
