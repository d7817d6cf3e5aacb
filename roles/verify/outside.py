"""What the operator's machine sees of a host."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from requests import Session

from groundcrew.manifest.model import AppSettings
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.certificate import Shown, look
from groundcrew.roles.verify.client import direct, get, raw_get
from groundcrew.roles.verify.expected import Expected, Root, concrete, host_header
from groundcrew.roles.verify.settings import VerifySettings

MALFORMED = {"Content-Length": "malformed"}
NOWHERE = "/groundcrew-verify-"
LED = "/groundcrew-verify?led=away"
"""Path and query that are requested from names that redirect."""
UNKNOWN_HOST = "unknown.invalid"
PARALLEL = 16


@dataclass(frozen=True)
class Site:
    """The answers of an application through nginx."""

    pages: Mapping[str, Answer]
    """Path -> answer: the health path, those of the application's checks, and `/`."""

    missing: Answer
    """The answer for a path that does not exist."""

    malformed: Answer
    """The answer to a request that nginx itself refuses."""

    unknown: Answer
    """The answer for a host name that no application has."""

    files: Mapping[str, Answer] = field(default_factory=dict)
    """Path -> answer, for files that nginx serves (see `file_paths`)."""

    redirects: Mapping[str, Answer] = field(default_factory=dict)
    """Host name that redirects -> the answer for `LED` under it."""

    plain: Answer | None = None
    """The answer of `/` over plain HTTP, for a site with HTTPS."""

    certificate: Shown | None = None
    """The certificate of a site with HTTPS."""


def url(address: str, port: int, path: str, scheme: str = "http") -> str:
    """The URL of a page."""
    literal = f"[{address}]" if ":" in address else address
    return f"{scheme}://{literal}:{port}{path}"


def ask_sites(settings: VerifySettings, expected: Expected, address: str) -> dict[str, Site]:
    """Sends the requests to all applications in parallel."""
    behind = settings.model_copy(update={"http_port": None, "https_port": None})

    def place(name: str) -> tuple[VerifySettings, str]:
        if expected.entrance and name in expected.inside:
            return behind, expected.entrance.address
        return settings, address

    with ThreadPoolExecutor(PARALLEL) as pool:
        sites = {
            name: pool.submit(
                ask_site,
                *place(name),
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
    """Sends the requests to one application, over HTTPS if it has HTTPS."""
    plain = settings.http_port or app.port
    port = (settings.https_port or app.tls.port) if app.tls else plain
    scheme = "https" if app.tls else "http"
    host = host_header(app)
    nowhere = NOWHERE + secrets.token_hex(8)

    def asking(name: str) -> Session:
        # The operator's web proxy, if there is one, cannot resolve these names.
        return direct(name if app.tls else None, proxy_protocol=proxy_protocol)

    def page(path: str) -> Answer:
        return get(settings, url(address, port, app.root + path, scheme), {"Host": host}, pages)

    def led(name: str) -> Answer:
        with asking(name) as session:
            return get(settings, url(address, port, LED, scheme), {"Host": name}, session)

    def raw(at: int, name: str, headers: Mapping[str, str], *, tls: bool) -> Answer:
        return raw_get(settings, address, at, name, headers, tls=tls, proxy_protocol=proxy_protocol)

    paths = dict.fromkeys([app.health.path, *(check.path for check in app.checks), "/"])
    with asking(host) as pages:
        answers = {path: page(path) for path in paths}
        missing = page(nowhere)
        files = {path: page(path) for path in file_paths(app, secrets.token_hex(8))}
    return Site(
        pages=answers,
        missing=missing,
        files=files,
        malformed=raw(port, host, MALFORMED, tls=bool(app.tls)),
        unknown=raw(port, UNKNOWN_HOST, {}, tls=bool(app.tls)),
        redirects={name: led(concrete(name)) for name in app.redirects},
        plain=raw(plain, host, {}, tls=False) if app.tls else None,
        certificate=look(settings, address, port, host, root, proxy_protocol=proxy_protocol)
        if root
        else None,
    )


def file_paths(app: AppSettings, name: str) -> list[str]:
    """The front page of the front end, a missing asset and a missing upload."""
    paths = []
    if app.frontend:
        paths += [app.frontend.url, *(f"{url}{name}.js" for url in app.frontend.asset_urls[:1])]
    if app.media:
        paths.append(f"{app.media.url}{name}.svg")
    return paths
