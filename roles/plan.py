"""What a host's settings promise as a whole: the arguments of `roles.verify`."""

from __future__ import annotations

from typing import TypedDict
from urllib.parse import urlsplit

from groundcrew.facts.sshd import SshdState
from groundcrew.headers import merge
from roles import wiring
from roles.firewall.settings import PORTS, FirewallSettings
from roles.nginx.context import servers
from roles.nginx.settings import NginxSettings
from roles.preflight import Wanted
from roles.python.settings import PythonSettings
from roles.settings import HostSettings
from roles.ssh import builders as ssh
from roles.ssh.settings import SshSettings
from roles.verify import Expected, Gzip

PYTHON_PUBLISHER = "https://github.com"
"""Where uv has Pythons from, unless it is told another place."""


class VerifyArguments(TypedDict):
    """Keyword arguments of `roles.verify.apply`, besides its own settings."""

    expected: Expected


def verify_arguments(settings: HostSettings) -> VerifyArguments:
    """The promises of all roles."""
    admins = [name for name, admin in settings.users.admins.items() if admin is not None]
    expected = Expected(
        apps=settings.app,
        security_headers={
            name: merge(settings.nginx.security_headers, app.nginx.headers)
            for name, app in settings.app.items()
        },
        owners={name: server.owner for server in servers(settings.app) for name in server.apps},
        gzip=gzip(settings.nginx) if settings.nginx.gzip else None,
        status_port=settings.nginx.status_port,
        admins=admins,
        sshd=sshd(wiring.ssh(settings)),
        declared_ports={app.port for app in settings.app.values()}
        | allowed_ports(settings.firewall),
        firewall=settings.firewall.enabled,
        time_sync=settings.base.time_sync,
        unattended_upgrades=settings.base.unattended_upgrades,
    )
    return {"expected": expected}


def wanted(settings: HostSettings) -> Wanted:
    """What the roles will ask of the host."""
    if not settings.app:
        return Wanted({}, {})
    ports: dict[int, tuple[str, ...]] = {
        app.port: ("nginx.service",) for app in settings.app.values()
    }
    if settings.nginx.status_port:
        ports[settings.nginx.status_port] = ("nginx.service",)
    python = settings.python
    return Wanted(settings.app, ports, python.interpreter, python_place(python))


def python_place(settings: PythonSettings) -> str:
    """Where a host reaches the Pythons that uv fetches: `HOST:PORT`, or a directory on it."""
    mirror = urlsplit(settings.install_mirror or PYTHON_PUBLISHER)
    if mirror.scheme == "file":
        return mirror.path
    proxies = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    proxy = next((found for key in proxies if (found := settings.environment.get(key))), None)
    place = urlsplit(proxy) if proxy else mirror
    return f"{place.hostname}:{place.port or (80 if place.scheme == 'http' else 443)}"


def gzip(settings: NginxSettings) -> Gzip:
    """Which responses nginx compresses."""
    return Gzip(settings.gzip_min_length, settings.gzip_types)


def sshd(settings: SshSettings) -> dict[str, str]:
    """sshd's settings that do not depend on what a host has, as `sshd -T` prints them."""
    declared = ssh.expected(ssh.directives(settings, SshdState()))
    return {keyword: " ".join(values) for keyword, values in declared.items()}


def allowed_ports(settings: FirewallSettings) -> set[int]:
    """TCP ports that the packet filter opens."""
    ports: set[int] = set()
    for rule in settings.allow.values():
        if rule is None or rule.protocol != "tcp":
            continue
        for text in rule.ports:
            match = PORTS.match(str(text))
            if match:
                ports.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return ports
