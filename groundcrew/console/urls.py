"""The URLs that the hosts of a run serve, from their settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyinfra.api import Host

from groundcrew import transport
from groundcrew.console.facts import Served

PORTS = {"http": 80, "https": 443}


def urls(
    hosts: Iterable[tuple[Host, Any]], live: Iterable[tuple[str, Mapping[str, str | None]]]
) -> list[Served]:
    """All URLs with what answers them. `hosts` have the hosts' settings, `live` the applications'
    live releases by the hosts' names."""
    serving = dict(live)
    names: dict[tuple[str, str], dict[str, str | None]] = {}
    for host, settings in hosts:
        for name, app in settings.app.items():
            for url in of_app(app, address(host)):
                release = serving.get(host.name, {}).get(name)
                names.setdefault((url, name), {})[host.name] = release
        for site in settings.role_sites.values():
            for domain in site.domains:
                url = written("https", domain, site.tls.port, "/")
                names.setdefault((url, site.key[0]), {})[host.name] = None
    return [
        Served(url, name, tuple(on), tuple(sorted({item for item in on.values() if item})))
        for (url, name), on in names.items()
    ]


def of_app(app: Any, address: str) -> list[str]:
    """The URLs of an application: one for each domain, or the host's address if it has none."""
    scheme = app.scheme
    # Behind a balancer that ends TLS, visitors use the balancer's port.
    port = app.tls.port if app.tls else app.port if scheme == "http" else PORTS["https"]
    path = app.prefix.rstrip("/") + "/"
    return [written(scheme, domain, port, path) for domain in app.domains or (address,)]


def written(scheme: str, name: str, port: int, path: str) -> str:
    """A URL, with its port if that is not the scheme's own."""
    shown = f"[{name}]" if ":" in name else name
    return f"{scheme}://{shown}{'' if PORTS[scheme] == port else f':{port}'}{path}"


def address(host: Host) -> str:
    """Where the operator's machine reaches a host."""
    return "127.0.0.1" if host.name.startswith("@local") else transport.address(host)
