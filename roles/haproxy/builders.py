"""Files of the balancer. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from groundcrew.balancing import Balanced
from groundcrew.bindings import Place
from groundcrew.bindings.address import numeric
from groundcrew.entries import Directory, Entry, File
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import CERTIFICATES
from groundcrew.metrics import in_group
from groundcrew.roles.haproxy.settings import HaproxySettings
from groundcrew.templates import render

UNIT = "haproxy.service"
FOLDER = "/etc/groundcrew/haproxy"
CONFIGURATION = f"{FOLDER}/haproxy.cfg"
RUNTIME_NAME = "groundcrew-haproxy"
RUNTIME = f"/run/{RUNTIME_NAME}"
SOCKET = f"{RUNTIME}/admin.sock"
STATE_FILE = f"{RUNTIME}/servers.state"
PROGRAMS = "/usr/local/lib/groundcrew"
STATE_PROGRAM = f"{PROGRAMS}/haproxy_state.py"
CERTIFICATES_PROGRAM = f"{PROGRAMS}/haproxy-certificates"
DROP_IN = f"/etc/systemd/system/{UNIT}.d"
DROP_IN_FILE = f"{DROP_IN}/groundcrew.conf"
CHALLENGE_PORT = 8402
"""Port on 127.0.0.1 at which certbot answers the CA's challenges."""

CHALLENGE = "/.well-known/acme-challenge/"
HANDED = "X-Groundcrew-Handed"
"""Header of a challenge that another balancer has handed on, which is not handed on again."""

ERRORS = {
    400: "Bad Request",
    408: "Request Timeout",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
CIPHERSUITES = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
CURVES = "X25519:prime256v1:secp384r1"
SAFE_TO_REPEAT = "GET HEAD PUT DELETE"
ANSWER = 5
"""Seconds that a host gets more than its nginx gives the application."""


@dataclass(frozen=True)
class Frontend:
    """What one port takes."""

    name: str
    binds: Sequence[str]
    lines: Sequence[str]


@dataclass(frozen=True)
class Upstream:
    """A server of a backend, in HAProxy's syntax."""

    name: str
    place: str
    idle: bool = False
    """Whether it gets requests only while no other host is up."""


@dataclass(frozen=True)
class Backend:
    """The hosts of one application."""

    name: str
    lines: Sequence[str]
    servers: Sequence[Upstream] = field(default_factory=tuple)
    checked: bool = True
    """Whether hosts that do not answer checks get no requests."""


def backend_name(app: str) -> str:
    """The backend of an application."""
    return f"app-{app}"


def unchecked_name(app: str) -> str:
    """The backend with the same hosts without checks, which takes over while none is healthy."""
    return f"unchecked-{app}"


def milliseconds(seconds: float) -> str:
    """A duration in HAProxy's syntax."""
    return f"{max(1, round(seconds * 1000))}ms"


def entries(
    settings: HaproxySettings, place: Place, sites: Iterable[str], profile: str
) -> list[Entry]:
    """All files but the certificates. `sites` are those with HTTPS."""
    return [
        Directory("/etc/groundcrew"),
        Directory(FOLDER),
        Directory(f"{FOLDER}/errors"),
        Directory(f"{FOLDER}/certificates", mode="0750", group="haproxy"),
        Directory(PROGRAMS),
        *(
            File(
                f"{FOLDER}/errors/{code}.http",
                render("haproxy/error.http.j2", code=code, reason=reason).replace("\n", "\r\n"),
            )
            for code, reason in ERRORS.items()
        ),
        File(STATE_PROGRAM, Path(__file__).with_name("state_file.py").read_text(encoding="utf-8")),
        File(
            CERTIFICATES_PROGRAM,
            render(
                "haproxy/certificates.sh.j2", folder=FOLDER, root=CERTIFICATES, names=sorted(sites)
            ),
            mode="0755",
        ),
        File(CONFIGURATION, configuration(settings, place, profile)),
    ]


def drop_in(settings: HaproxySettings) -> list[Entry]:
    """How the unit runs."""
    text = render(
        "haproxy/service.conf.j2",
        certificates=CERTIFICATES_PROGRAM,
        configuration=CONFIGURATION,
        folder=FOLDER,
        memory_max=settings.memory_max,
        runtime=RUNTIME,
        runtime_name=RUNTIME_NAME,
        state_program=STATE_PROGRAM,
    )
    return [Directory(DROP_IN), File(DROP_IN_FILE, text)]


def configuration(settings: HaproxySettings, place: Place, profile: str) -> str:
    """HAProxy's configuration."""

    def text(digest: str) -> str:
        return render(
            "haproxy/haproxy.cfg.j2",
            backends=[made for item in place.balanced for made in (backend(item), unchecked(item))],
            challenge_port=CHALLENGE_PORT,
            challenges=any(challenged(item.settings) for item in place.balanced),
            ciphers=CIPHERS,
            ciphersuites=CIPHERSUITES,
            curves=CURVES,
            digest=digest,
            errors=ERRORS,
            folder=FOLDER,
            frontends=list(
                frontends(settings, place.balanced, handed=bool(other_balancers(settings, place)))
            ),
            listeners={"metrics": metrics_addresses(settings, place)},
            handed=HANDED,
            milliseconds=milliseconds,
            others=other_balancers(settings, place),
            profile=profile,
            settings=settings,
            socket=SOCKET,
            state_file=STATE_FILE,
        )

    return text(digest_of(text("")))


def other_balancers(settings: HaproxySettings, place: Place) -> dict[str, str]:
    """Name -> address and port for HTTP of the other balancers."""
    return {
        item.name: f"{bracketed(numeric(item.address))}:{settings.port}"
        for item in in_group(place.hosts, "lb")
        if item.name != place.name
    }


def digest_of(text: str) -> str:
    """The name of a configuration."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def metrics_addresses(settings: HaproxySettings, place: Place) -> list[str]:
    """Where HAProxy's own metrics are read; nowhere on hosts that are not monitored."""
    if not place.monitors:
        return []
    own = [item for item in place.hosts if item.name == place.name]
    away = any(item.name != place.name for item in place.monitors)
    hosts = ["127.0.0.1", *(bracketed(numeric(item.address)) for item in own if away)]
    return [f"{host}:{settings.metrics_port}" for host in hosts]


def bracketed(address: str) -> str:
    """An address before a port."""
    return f"[{address}]" if ":" in address else address


def frontends(
    settings: HaproxySettings, balanced: Sequence[Balanced], *, handed: bool = False
) -> Iterator[Frontend]:
    """What the balancer takes over HTTP and over HTTPS. With `handed`, challenges of the CA are
    handed on to other balancers."""
    secure = [item for item in balanced if item.settings.tls]
    plain = [item for item in balanced if not item.settings.tls]
    before = [
        "http-request set-var(txn.host) req.hdr(host),host_only,lower",
        "http-request set-var(txn.host) str(-) unless { var(txn.host) -m found }",
    ]
    lines = [*before, *_to_https(settings, secure, handed), *_known(plain, secure)]
    lines += _passed(plain, "http", [item for item in secure if _plain_health(item)])
    yield Frontend("http", _binds(settings, settings.port), ordered(lines))
    if secure:
        options = f" ssl crt {FOLDER}/certificates/ strict-sni alpn h2,http/1.1"
        binds = [f"{bind}{options}" for bind in _binds(settings, settings.tls_port)]
        lines = [*before, *_known(secure), *_passed(secure, "https")]
        yield Frontend("https", binds, ordered(lines))


def ordered(lines: Sequence[str]) -> list[str]:
    """The same, in the order in which HAProxy follows them."""
    kinds = ("acl", "http-request", "use_backend", "default_backend")
    return sorted(lines, key=lambda line: kinds.index(line.split()[0]))


def _binds(settings: HaproxySettings, port: int) -> list[str]:
    # One for each family: IPv4 addresses stay what they are.
    return [f"0.0.0.0:{port}", *([f":::{port} v6only"] if settings.ipv6 else [])]


def _plain_health(item: Balanced) -> bool:
    return bool(item.settings.tls and item.settings.tls.plain_health)


def challenged(app: AppSettings) -> bool:
    """Whether the CA asks for a file on port 80."""
    certificate = app.tls.certificate if app.tls else None
    return certificate is not None and certificate.type == "acme" and certificate.dns is None


def named(app: AppSettings, names: Iterable[str] | None = None) -> list[str]:
    """Conditions of which each matches some of the application's names; none: every name."""
    names = list(app.names if names is None else names)
    exact = [name for name in names if not name.startswith("*.")]
    wild = [name[1:] for name in names if name.startswith("*.")]
    return [
        *([f"{{ var(txn.host) -m str {' '.join(exact)} }}"] if exact else []),
        *([f"{{ var(txn.host) -m end {' '.join(wild)} }}"] if wild else []),
    ]


def _known(*groups: Sequence[Balanced]) -> list[str]:
    """Refuses other names without an answer."""
    items = [item for group in groups for item in group]
    if any(not item.settings.domains for item in items):
        return []
    names = dict.fromkeys(test for item in items for test in named(item.settings))
    return [
        *(f"acl known {test[2:-2]}" for test in names),
        "http-request reject unless known" if names else "http-request reject",
    ]


def _to_https(settings: HaproxySettings, secure: Sequence[Balanced], handed: bool) -> Iterator[str]:
    """Redirects to HTTPS, and in the same step from names that only redirect."""
    if any(challenged(item.settings) for item in secure):
        yield f"acl challenge path_beg {CHALLENGE}"
        for test in dict.fromkeys(test for item in secure if challenged(item.settings)
                                  for test in named(item.settings)):  # fmt: skip
            if handed:
                yield f"use_backend acme-others if challenge !{{ hdr({HANDED}) -m found }} {test}"
            yield f"use_backend acme if challenge {test}"
    port = "" if settings.tls_port == 443 else f":{settings.tls_port}"
    # Applications that share their domains share the redirects.
    lines: dict[str, None] = {}
    for item in secure:
        app = item.settings
        paths = [
            health_path(other.settings)
            for other in secure
            if _plain_health(other) and set(other.settings.domains) == set(app.domains)
        ]
        unless = " !{ path_beg " + CHALLENGE + " }" if challenged(app) else ""
        unless += "".join(f" !{{ path {word(path)} }}" for path in paths)
        for name, target in app.redirects.items():
            [test] = named(app, [name])
            to = f"https://{target}{port}"
            lines[f"http-request redirect prefix {to} code 308 if {test}{unless}"] = None
        for test in named(app, app.domains):
            to = f"https://%[var(txn.host)]{port}%[pathq]"
            lines[f"http-request redirect location {to} code 308 if {test}{unless}"] = None
    yield from lines


def _passed(
    items: Sequence[Balanced], scheme: str, health: Sequence[Balanced] = ()
) -> Iterator[str]:
    """Tells the hosts about the client, and chooses the application: the one with the longest
    prefix."""
    yield "http-request set-header X-Forwarded-For %[src]"
    yield f"http-request set-header X-Forwarded-Proto {scheme}"
    for item in health:
        yield f"http-request set-header X-Forwarded-Proto https if {named(item.settings)[0]}"
        for test in named(item.settings):
            path = f"{{ path {word(health_path(item.settings))} }}"
            yield from _uses(item.app, f"{test} {path}")
    uses = []
    for item in items:
        app = item.settings
        below = (
            [f" {{ path {word(app.root)} }}", f" {{ path_beg {word(app.root + '/')} }}"]
            if app.root
            else [""]
        )
        # As in nginx, a name comes before a pattern, and that before every name.
        for test in named(app) or [""]:
            rank = 2 if not test else int("-m end" in test)
            uses += [
                (rank, -len(app.root), line)
                for path in below
                for line in _uses(item.app, f"{test}{path}".strip())
            ]
    yield from (line for _, _, line in sorted(uses, key=lambda item: item[:2]))


def _uses(app: str, condition: str) -> Iterator[str]:
    """Chooses an application; without a condition, for all requests that are left."""
    name = backend_name(app)
    unhealthy = f"{condition} {{ nbsrv({name}) eq 0 }}".lstrip()
    yield f"use_backend {unchecked_name(app)} if {unhealthy}"
    yield f"use_backend {name} if {condition}" if condition else f"default_backend {name}"


def word(text: str) -> str:
    """A word of HAProxy's configuration."""
    if re.fullmatch(r"[A-Za-z0-9_.,:/?&=+~*@-]+", text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def health_path(app: AppSettings) -> str:
    """The path of the checks."""
    return unquote((app.root + app.health.path).partition("?")[0])


def backend(item: Balanced) -> Backend:
    """The backend of one application."""
    app = item.settings
    made = unchecked(item)
    name = app.domains[0].replace("*.", "www.") if app.domains else "localhost"
    scheme = "https" if app.tls else "http"
    path = word(app.root + app.health.path)
    checks = [
        "option httpchk",
        f"http-check send meth GET uri {path} ver HTTP/1.1 hdr Host {name} "
        f"hdr X-Forwarded-Proto {scheme} hdr User-Agent groundcrew-balancer",
        f"http-check expect status {app.health.status}",
    ]
    return Backend(backend_name(item.app), [*made.lines, *checks], made.servers)


def unchecked(item: Balanced) -> Backend:
    """The hosts of one application, whether they answer checks or not.

    If all fail their checks, they are more likely busy than gone. What a host answers is better
    than the balancer's error page, and so is its page about maintenance.
    """
    app = item.settings
    longest = max(
        app.nginx.proxy_read_timeout,
        *(rule.proxy_read_timeout or 0 for rule in app.nginx.locations.values()),
        0,
    )
    return Backend(
        unchecked_name(item.app),
        [
            f"http-request disable-l7-retry unless {{ method {SAFE_TO_REPEAT} }}",
            f"timeout server {longest + ANSWER}s",
            f"timeout tunnel {longest + ANSWER}s",
            *(["option allbackups"] if any(server.idle for server in item.servers) else []),
        ],
        [
            Upstream(server.name, f"{bracketed(server.address)}:{server.port}", server.idle)
            for server in item.servers
        ],
        checked=False,
    )


def request(settings: HaproxySettings, place: Place) -> dict[str, Any]:
    """The request to `roles/haproxy/on_host.py`."""
    return {
        "socket": SOCKET,
        "configuration": CONFIGURATION,
        "certificates": CERTIFICATES_PROGRAM,
        "unit": UNIT,
        "drain": settings.drain,
        "rise": settings.rise,
        "patience": settings.check_interval * (settings.rise + settings.fall) + 5,
        "servers": {
            backend_name(item.app): [server.name for server in item.servers]
            for item in place.balanced
        },
        "idle": {
            backend_name(item.app): names
            for item in place.balanced
            if (names := [server.name for server in item.servers if server.idle])
        },
        "sites": [
            {
                "backend": backend_name(item.app),
                "port": settings.tls_port if item.settings.tls else settings.port,
                "tls": bool(item.settings.tls),
                "host": (item.settings.domains or ("localhost",))[0].replace("*.", "www."),
                "path": item.settings.root + item.settings.health.path,
                "status": item.settings.health.status,
                "hosts": {server.name: [server.address, server.port] for server in item.servers},
            }
            for item in place.balanced
        ],
    }
