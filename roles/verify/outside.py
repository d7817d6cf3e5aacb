"""All that the operator's machine sees of a host."""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from groundcrew.apps.model import AppSettings
from roles.verify.answer import Answer
from roles.verify.certificate import Shown, look
from roles.verify.client import connects, get, raw_get
from roles.verify.expected import Expected, Root, concrete, host_header
from roles.verify.settings import VerifySettings

MALFORMED = {"Content-Length": "malformed"}
NOWHERE = "/groundcrew-verify-"
LED = "/groundcrew-verify?led=away"
"""What is asked for under a name that leads to another."""
UNKNOWN_HOST = "unknown.invalid"
PARALLEL = 16
SHORTEST_WAIT = 0.3
NEAR = 20


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

    files: Mapping[str, Answer] = field(default_factory=dict)
    """Path -> answer, of files that nginx serves (see `file_paths`)."""

    redirects: Mapping[str, Answer] = field(default_factory=dict)
    """Host name that leads to another -> the answer to `LED` under it."""

    plain: Answer | None = None
    """`/` over plain HTTP, of a site with HTTPS."""

    certificate: Shown | None = None
    """What such a site shows."""


def url(address: str, port: int, path: str, scheme: str = "http") -> str:
    """The address of a page."""
    literal = f"[{address}]" if ":" in address else address
    return f"{scheme}://{literal}:{port}{path}"


def ask_sites(settings: VerifySettings, expected: Expected, address: str) -> dict[str, Site]:
    """Requests to all applications, side by side."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        sites = {
            name: pool.submit(
                ask_site,
                settings,
                address,
                app,
                expected.roots.get(name),
                proxy_protocol=expected.proxy_protocol,
            )
            for name, app in expected.apps.items()
        }
        return {name: site.result() for name, site in sites.items()}


def ask_site(
    settings: VerifySettings,
    address: str,
    app: AppSettings,
    root: Root | None = None,
    *,
    proxy_protocol: bool = False,
) -> Site:
    """Requests to one application, over HTTPS where it has that."""
    plain = settings.http_port or app.port
    port = (settings.https_port or app.tls.port) if app.tls else plain
    scheme = "https" if app.tls else "http"
    host = host_header(app)
    nowhere = NOWHERE + secrets.token_hex(8)

    def page(path: str) -> Answer:
        return named(host, app.root + path)

    def named(name: str, path: str) -> Answer:
        # The operator's web proxy, if there is one, knows nothing of these names.
        return get(
            settings,
            url(address, port, path, scheme),
            {"Host": name},
            proxy=False,
            name=name if app.tls else None,
            proxy_protocol=proxy_protocol,
        )

    def raw(at: int, name: str, headers: Mapping[str, str], *, tls: bool) -> Answer:
        return raw_get(settings, address, at, name, headers, tls=tls, proxy_protocol=proxy_protocol)

    paths = dict.fromkeys([app.health.path, *(check.path for check in app.checks), "/"])
    return Site(
        pages={path: page(path) for path in paths},
        missing=page(nowhere),
        files={path: page(path) for path in file_paths(app, secrets.token_hex(8))},
        malformed=raw(port, host, MALFORMED, tls=bool(app.tls)),
        unknown=raw(port, UNKNOWN_HOST, {}, tls=bool(app.tls)),
        redirects={name: named(concrete(name), LED) for name in app.redirects},
        plain=raw(plain, host, {}, tls=False) if app.tls else None,
        certificate=look(settings, address, port, host, root, proxy_protocol=proxy_protocol)
        if root
        else None,
    )


def file_paths(app: AppSettings, name: str) -> list[str]:
    """The front page of the front end, and files that are not there: one of its assets, and one of
    those that visitors upload."""
    paths = []
    if app.frontend:
        paths += [app.frontend.url, *(f"{url}{name}.js" for url in app.frontend.asset_urls[:1])]
    if app.media:
        paths.append(f"{app.media.url}{name}.svg")
    return paths


Reached = Mapping[tuple[str, int], bool]


def reach(
    addresses: Iterable[str], ports: Iterable[int], timeout: float
) -> tuple[dict[tuple[str, int], bool], float]:
    """Address and port -> whether a connection comes about, and the seconds that the slowest of
    those took; all side by side, because a packet filter that drops makes each attempt last until
    its timeout."""
    pairs = [(address, port) for address in addresses for port in ports]

    def attempt(pair: tuple[str, int]) -> float | None:
        started = time.monotonic()
        return time.monotonic() - started if connects(*pair, timeout) else None

    with ThreadPoolExecutor(max(1, len(pairs))) as pool:
        took = dict(zip(pairs, pool.map(attempt, pairs), strict=True))
    seconds = max((value for value in took.values() if value is not None), default=timeout)
    return {pair: value is not None for pair, value in took.items()}, seconds


def patience(seconds: float, limit: float) -> float:
    """Seconds after which a silent port counts as closed, where open ones answer in `seconds`: no
    use to wait for the limit where the host is near."""
    return min(limit, max(SHORTEST_WAIT, NEAR * seconds))


def is_loopback(address: str) -> bool:
    """Whether an address is the operator's machine itself."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
