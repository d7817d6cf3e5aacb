"""nginx in front of an application's containers: its configuration, computed from a workload."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from groundcrew.orchestrators.workload import Header, Route, Workload
from groundcrew.templates import environment, render

SITE = "/srv/site"
"""Directory of files of the image in the proxy's container, at the paths of their URLs."""

FILES = "/etc/groundcrew/proxy"
"""Directory of the configuration."""

COMMAND = ("nginx", "-e", "stderr", "-c", f"{FILES}/nginx.conf", "-g", "daemon off;")
VALID = 2
"""Seconds for which the addresses of a service's containers are remembered."""

REMOVED = (
    *("Forwarded", "Proxy", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Protocol"),
    *("X-Forwarded-Ssl", "X-Script-Name"),
)
"""Request headers of clients that some frameworks trust."""

CONNECTION = (
    *("Connection", "Expect", "Keep-Alive", "TE", "Transfer-Encoding", "Upgrade"),
    *("Content-Length", "Content-Type"),
)
"""Request headers that describe the connection, which uWSGI would pass on."""

LEFTOVERS = r"~$|#$|\.(?:bak|old|orig|rej|save|sw[op])$"
"""Backup files of editors and patches, which may expose source code or old versions."""

MEDIA_TYPES = "media-types.conf"
MEDIA_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@dataclass(frozen=True)
class Tls:
    """HTTPS that the proxy itself speaks."""

    port: int
    chain: str
    """Path of the certificate, with the intermediate ones."""

    key: str


@dataclass(frozen=True)
class Block:
    """A location: its match and its directives."""

    match: str
    lines: list[str]


def files(
    workload: Workload,
    *,
    upstream: str,
    port: int,
    resolver: str | None = None,
    health_port: int | None = None,
    trusted: Iterable[str] = (),
    clients_known: bool = False,
    tls: Tls | None = None,
    keepalive: int = 65,
) -> dict[str, str]:
    """The configuration files, by name.

    `upstream` is where the server listens, in nginx's syntax; with `resolver`, a service's name and
    port that are looked up again and again. `trusted` are the networks of what is in front and says
    who the client is; `clients_known` that clients connect to the proxy directly. Without either, a
    path that only some networks may use answers 403 to all. `keepalive` is the number of seconds
    that an idle connection of a client stays open.
    """
    trusted = tuple(trusted)
    known = clients_known or bool(trusted)
    routes = workload.web.routes
    sets: dict[tuple[Header, ...], str] = {}
    yielding: dict[Header, str] = {}
    for route in routes:
        sets.setdefault(route.headers, f"headers-{len(sets) + 1}.conf")
        for header in route.headers:
            if header.yields:
                yielding.setdefault(header, f"$groundcrew_header_{len(yielding) + 1}")
    scheme = "https" if workload.web.https else "http"
    common = {
        "name": workload.name,
        "web": workload.web,
        "upstream": upstream,
        "resolver": resolver,
        "scheme": scheme,
        "protocol": workload.server.protocol,
    }
    return {
        "nginx.conf": _render(
            "nginx.conf.j2",
            **common,
            port=port,
            tls=tls,
            trusted=trusted,
            valid=VALID,
            keepalive=keepalive,
            tuning=workload.web.tuning,
            immutable=list(dict.fromkeys(item for route in routes for item in route.immutable)),
            yielding=[(text, item.name, item.value) for item, text in yielding.items()],
            blocks=blocks(workload, sets, known=known),
            health_port=health_port,
            health=_health(workload, scheme),
        ),
        "passing.conf": _render(
            "passing.conf.j2",
            **common,
            removed=REMOVED,
            connection=CONNECTION,
            private=any(route.kind == "private" for route in routes),
        ),
        **({MEDIA_TYPES: render("nginx/media-types.conf.j2")} if kept(workload) else {}),
        **{
            name: _headers(headers, yielding, workload.web.hidden) for headers, name in sets.items()
        },
    }


def copies(workload: Workload) -> list[tuple[str, str]]:
    """Directories of the image that the proxy serves, and where it expects them."""
    pairs = {
        (str(route.directory), f"{SITE}/{_kind(route)}{route.base}".rstrip("/"))
        for route in workload.served
    }
    return sorted(pairs)


def kept(workload: Workload) -> list[str]:
    """Directories that outlive releases and that the proxy serves, relative to `shared`."""
    return sorted(
        {
            posixpath.relpath(str(route.directory), workload.shared)
            for route in workload.web.routes
            if route.kind in ("media", "private")
        }
    )


def blocks(
    workload: Workload, sets: Mapping[tuple[Header, ...], str], *, known: bool
) -> list[Block]:
    """The locations, the longest path last."""
    made = [_block(route, sets, known=known) for route in workload.web.routes]
    taken = {item.match for item in made}
    folders = {route.base for route in workload.web.routes if route.kind == "page"}
    folders.add(f"{workload.web.prefix.rstrip('/')}/")
    for folder in sorted(folders - {"/"}):
        root = folder.rstrip("/")
        if f"= {root}" not in taken:
            lines = ["absolute_redirect off", f"return 308 {folder}$is_args$args"]
            made.append(Block(f"= {root}", lines))
    if not taken & {"/", '"/"'}:
        made.append(Block("/", ["return 404"]))
    return made


def _kind(route: Route) -> str:
    return "static" if route.kind == "static" else "frontend"


def _block(route: Route, sets: Mapping[tuple[Header, ...], str], *, known: bool) -> Block:
    operator = "= " if route.exact else "" if route.kind in ("application", "page") else "^~ "
    match = operator + (route.path if _safe(route.path) else quoted(route.path))
    lines = [f"include {FILES}/{sets[route.headers]}"]
    if route.answer:
        return Block(match, [*lines, *_constant(*route.answer)])
    if route.guard or (route.allow is not None and not known):
        return Block(match, [*lines, "return 403"])
    if route.allow is not None:
        lines += [*(f"allow {network}" for network in route.allow), "deny all"]
    lines.append(f"client_max_body_size {route.body}")
    return Block(match, [*lines, *(_passing(route) if not route.directory else _served(route))])


def _constant(status: int, url: str, text: str) -> list[str]:
    if url:
        return ["absolute_redirect off", f"return {status} {quoted(url)}"]
    if text:
        return ["default_type text/plain", f"return {status} {quoted(text)}"]
    return [f"return {status}"]


def _passing(route: Route) -> list[str]:
    buffering = "on" if route.buffering else "off"
    return [
        f"include {FILES}/passing.conf",
        *(
            f"{protocol}_{directive}"
            for protocol in ("proxy", "uwsgi")
            for directive in (
                f"read_timeout {route.read_timeout}s",
                f"send_timeout {route.read_timeout}s",
                f"buffering {buffering}",
            )
        ),
    ]


def _served(route: Route) -> list[str]:
    """Files. An exact location cannot contain nested locations."""
    nested = []
    if route.kind in ("media", "private"):
        rest = route.path[len(route.base) :]
        lines = [
            *(["internal"] if route.kind == "private" else []),
            f"alias {route.directory}/{rest}",
            f"disable_symlinks on from={route.directory}",
            f"include {FILES}/{MEDIA_TYPES}",
        ]
        if route.kind == "media":
            lines += [
                "add_header Content-Disposition $groundcrew_disposition always",
                f"add_header Content-Security-Policy {quoted(MEDIA_POLICY)} always",
            ]
        nested = [r"location ~ /\. { return 404; }"]
    elif route.kind == "page":
        tries = (
            f"$uri $uri/index.html {route.base}index.html =404"
            if route.single_page
            else "$uri $uri/ =404"
        )
        lines = [
            f"root {SITE}/frontend",
            "index index.html",
            "absolute_redirect off",
            f"try_files {tries}",
            "add_header Cache-Control $groundcrew_page_cache always",
            "gzip_static on",
        ]
        nested = [f'location ~* "/\\.(?!well-known/)|{LEFTOVERS}" {{ return 404; }}']
    else:
        cache = "$groundcrew_asset_cache" if route.kind == "asset" else "$groundcrew_static_cache"
        lines = [
            f"root {SITE}/{_kind(route)}",
            "try_files $uri =404",
            f"add_header Cache-Control {cache} always",
            "gzip_static on",
        ]
        nested = [f'location ~* "/\\.|{LEFTOVERS}" {{ return 404; }}']
    return [*lines, *([] if route.exact else nested)]


def _headers(
    headers: Iterable[Header], yielding: Mapping[Header, str], hidden: Iterable[str]
) -> str:
    headers = tuple(headers)
    lines = ["add_header X-Request-ID $request_id always;"]
    lines += [
        f"add_header {item.name} {yielding.get(item) or quoted(item.value)} always;"
        for item in headers
    ]
    names = [item.name for item in headers if not item.yields]
    hide = {name.lower(): name for name in ("X-Request-ID", *names, *hidden)}
    hide.pop("vary", None)
    lines += [
        f"{protocol}_hide_header {name};"
        for name in hide.values()
        for protocol in ("proxy", "uwsgi")
    ]
    return "\n".join([*lines, ""])


def _health(workload: Workload, scheme: str) -> list[str]:
    """Asks for the health path with the host name that the application expects. Statuses above 299
    are compared exactly; of the others, each counts as 200 does."""
    health, host = workload.health, health_host(workload)
    path, _, query = health.path.partition("?")
    if workload.server.protocol == "uwsgi":
        params = {
            "REQUEST_METHOD": "GET",
            "REQUEST_URI": health.path,
            "PATH_INFO": path,
            "QUERY_STRING": query or '""',
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": host,
            "SERVER_PORT": "80",
            "REQUEST_SCHEME": scheme,
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": host,
            "HTTP_X_FORWARDED_FOR": "127.0.0.1",
            "HTTP_X_FORWARDED_PROTO": scheme,
            **({"HTTPS": "on"} if scheme == "https" else {}),
        }
        lines = ["uwsgi_pass groundcrew", "uwsgi_pass_request_headers off"]
        lines += [f"uwsgi_param {key} {value}" for key, value in params.items()]
        lines.append("uwsgi_intercept_errors on")
    else:
        lines = [
            f"proxy_pass http://groundcrew{health.path}",
            "proxy_http_version 1.1",
            f"proxy_set_header Host {host}",
            "proxy_set_header X-Forwarded-For 127.0.0.1",
            f"proxy_set_header X-Forwarded-Proto {scheme}",
            'proxy_set_header Connection "close"',
            "proxy_intercept_errors on",
        ]
    wrong = [status for status in range(300, 309) if status != health.status]
    if health.status >= 300:
        lines.append(f"error_page {health.status} =200 /healthy")
    lines.append(f"error_page {' '.join(map(str, wrong))} =503 /unhealthy")
    return lines


def health_host(workload: Workload) -> str:
    """Host name of the requests for the health path."""
    name = next(iter(workload.web.domains), "localhost")
    return name.replace("*.", "www.", 1)


def quoted(value: str) -> str:
    """`value` as a quoted parameter of a directive."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _safe(text: str) -> bool:
    return not set(text) & set(" \t;{}\"'\\$#") and text.isprintable()


def _render(template: str, /, **context: object) -> str:
    jinja = environment()
    jinja.filters["quoted"] = quoted
    return jinja.get_template(f"orchestrators/{template}").render(**context)
