"""All that the operator's machine sees of a host."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from groundcrew.apps.model import AppSettings
from roles.verify.answer import Answer
from roles.verify.client import connects, get, raw_get
from roles.verify.expected import Expected, host_header
from roles.verify.settings import VerifySettings

MALFORMED = {"Content-Length": "malformed"}
UNKNOWN_HOST = "unknown.invalid"
PARALLEL = 16


@dataclass(frozen=True)
class Site:
    """An application through nginx."""

    pages: Mapping[str, Answer]
    """Path -> answer: the health path, those of the application's checks, and `/`."""

    missing: Answer
    """A path that does not exist."""

    malformed: Answer
    """A request that nginx itself refuses."""

    unknown: Answer
    """A name that no application has."""


def url(address: str, port: int, path: str) -> str:
    """The address of a page."""
    literal = f"[{address}]" if ":" in address else address
    return f"http://{literal}:{port}{path}"


def ask_sites(settings: VerifySettings, expected: Expected, address: str) -> dict[str, Site]:
    """Requests to all applications, side by side."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        sites = {
            name: pool.submit(ask_site, settings, address, app)
            for name, app in expected.apps.items()
        }
        return {name: site.result() for name, site in sites.items()}


def ask_site(settings: VerifySettings, address: str, app: AppSettings) -> Site:
    """Requests to one application."""
    port = settings.http_port or app.port
    host = host_header(app)
    nowhere = f"/groundcrew-verify-{secrets.token_hex(8)}"

    def page(path: str) -> Answer:
        # The operator's web proxy, if there is one, knows nothing of these names.
        return get(settings, url(address, port, path), {"Host": host}, proxy=False)

    paths = dict.fromkeys([app.health.path, *(check.path for check in app.checks), "/"])
    return Site(
        pages={path: page(path) for path in paths},
        missing=page(nowhere),
        malformed=raw_get(settings, address, port, host, MALFORMED),
        unknown=raw_get(settings, address, port, UNKNOWN_HOST, {}),
    )


Reached = Mapping[tuple[str, int], bool]


def reach(
    addresses: Iterable[str], ports: Iterable[int], timeout: float
) -> dict[tuple[str, int], bool]:
    """Address and port -> whether a connection comes about; all side by side, because a packet
    filter that drops makes each attempt last until its timeout."""
    pairs = [(address, port) for address in addresses for port in ports]
    with ThreadPoolExecutor(max(1, len(pairs))) as pool:
        results = pool.map(lambda pair: connects(pair[0], pair[1], timeout), pairs)
        return dict(zip(pairs, results, strict=True))


def is_loopback(address: str) -> bool:
    """Whether an address is the operator's machine itself."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
