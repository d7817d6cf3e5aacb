"""The locations of an application: which paths, who answers them, under which rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import unquote

from groundcrew.apps.rules import Rules, rules_for
from groundcrew.apps.urls import Kind, answering, kind_of
from roles.nginx import sharing
from roles.nginx.access import access, auth_location, limits
from roles.nginx.context import Context, base_headers
from roles.nginx.files_served import FILES, computed_headers
from roles.nginx.header_sets import site_headers
from roles.nginx.headers import headers_file, quote
from roles.nginx.sizes import nginx_size


@dataclass(frozen=True)
class Block:
    """One location: its path in nginx's syntax, and its directives."""

    match: str
    lines: list[str]


def locations(context: Context) -> list[Block]:
    """All of an application, those that nginx uses inside included."""
    blocks = [block(context, path) for path in wanted(context)]
    paths = {rules.auth_request for rules in context.app.nginx.locations.values()}
    blocks += [decision(context, path) for path in sorted(path for path in paths if path)]
    roots = [context.app.root] if context.app.root else []
    if context.app.frontend and context.app.frontend.url != "/":
        roots.append(context.full(context.app.frontend.url.rstrip("/")))
    taken = {item.match for item in blocks}
    return blocks + [with_slash(root) for root in roots if f"= {root}" not in taken]


def wanted(context: Context) -> list[str]:
    """The paths that need a location of their own: `/x`, or `= /x` for exactly one."""
    app = context.app
    paths = {*answering(app), *app.nginx.locations}
    folders = [key for key in app.nginx.locations if key.startswith("/") and key.endswith("/")]
    paths |= {f"= {key[:-1]}" for key in folders if key != "/"}
    rules = rules_for(app.health.path, app.nginx.locations).values
    if rules.cache or rules.basic_auth is not None or rules.auth_request is not None:
        # What probes get must be the application's own answer of this moment.
        paths.add(f"= {health_path(context)}")
    return sorted(paths)


def health_path(context: Context) -> str:
    """The health path as nginx compares it."""
    return unquote(context.app.health.path.partition("?")[0])


def block(context: Context, path: str) -> Block:
    """The location of one path."""
    app, site = context.app, context.app.nginx
    exact, url = path.startswith("= "), path.removeprefix("= ")
    kind = kind_of(app, url, exact=exact)
    rules = rules_for(url, site.locations, exact=exact)
    health = exact and url == health_path(context)
    lines = own_log(context)
    if rules.values.deny or rules.values.return_:
        lines += [*headers(context, rules, kind, cached=False), *constant(context, rules)]
    else:
        cached = kind == "application" and rules.values.cache is not None and not health
        lines += [
            *([sharing.PREFLIGHT] if rules.values.cors else []),
            *limits(context, rules, application=kind == "application"),
            *access(context, rules, health=health),
            *body_size(context, rules),
            *headers(context, rules, kind, cached=cached),
            *(passing(context, rules, cached=cached) if kind == "application" else []),
            *(files(context, kind, url, exact=exact) if kind != "application" else []),
        ]
    return Block(match(context, path, kind), lines)


def files(context: Context, kind: Kind, url: str, *, exact: bool) -> list[str]:
    """What serves files; a location of exactly one path cannot hold others."""
    lines = FILES[kind](context, url)
    return [line for line in lines if not (exact and line.startswith("location "))]


def match(context: Context, path: str, kind: Kind) -> str:
    """The path in nginx's syntax."""
    exact, url = path.startswith("= "), path.removeprefix("= ")
    full = context.full(url)
    operator = "= " if exact else "" if kind in ("application", "page") else "^~ "
    return operator + (full if safe(full) else quote(full))


def safe(text: str) -> bool:
    """Whether nginx takes a path for one word."""
    return not set(text) & set(" \t;{}\"'\\$#") and text.isprintable()


def own_log(context: Context) -> list[str]:
    """On a shared server, an application's requests go to its own logs."""
    if context.name == context.server.owner:
        return []
    log = f"/var/log/nginx/{context.name}"
    return [f"access_log {log}.access.log groundcrew", f"error_log {log}.error.log warn"]


def constant(context: Context, rules: Rules) -> list[str]:
    """An answer without asking anybody."""
    answer = rules.values.return_
    if answer is None:
        return ["return 403"]
    if answer.url is not None:
        url = context.full(answer.url) if answer.url.startswith("/") else answer.url
        return ["absolute_redirect off", f"return {answer.status} {quote(url)}"]
    if answer.text is not None:
        return ["default_type text/plain", f"return {answer.status} {quote(answer.text)}"]
    return [f"return {answer.status}"]


def body_size(context: Context, rules: Rules) -> list[str]:
    """The largest request body, where the server's own does not hold."""
    size = rules.values.client_max_body_size or context.app.nginx.client_max_body_size
    if size == context.server.app.nginx.client_max_body_size:
        return []
    return [f"client_max_body_size {nginx_size(size)}"]


def headers(context: Context, rules: Rules, kind: Kind, *, cached: bool) -> list[str]:
    """The file of response headers, where the server's own does not hold: nginx drops all of the
    server's in a location that sets one."""
    settings, app = context.settings, context.app
    computed = computed_headers(context, kind)
    if cached:
        computed["X-Cache-Status"] = "$upstream_cache_status"
    computed |= sharing.sharing(context, rules)
    site = site_headers(settings, app)
    if kind == "private":
        # The application's own are those of its answer, which is thrown away.
        site = replace(site, yielding={})
    text = headers_file(
        site,
        (*settings.hide_headers, *sharing.hidden(rules.values.cors)),
        computed,
        rules.values.headers,
    )
    if text == base_headers(settings, context.server.app):
        return []
    if text == base_headers(settings, app):
        return [f"include groundcrew/headers/{context.name}.conf"]
    known = next((name for name, other in context.headers.items() if other == text), None)
    name = known or f"{context.name}.{len(context.headers) + 1}"
    context.headers[name] = text
    return [f"include groundcrew/headers/{name}.conf"]


def passing(context: Context, rules: Rules, *, cached: bool) -> list[str]:
    """To the application."""
    lines = [
        f"include groundcrew/passing/{context.name}.conf",
        *connection(context, upgrade=context.app.server.speaks_websockets),
    ]
    site, server = context.app.nginx, context.server.app.nginx
    timeout = rules.values.proxy_read_timeout or site.proxy_read_timeout
    if timeout != server.proxy_read_timeout:
        lines += both(f"read_timeout {timeout}s") + both(f"send_timeout {timeout}s")
    if site.proxy_connect_timeout != server.proxy_connect_timeout:
        lines += both(f"connect_timeout {site.proxy_connect_timeout}s")
    buffering = site.buffering if rules.values.buffering is None else rules.values.buffering
    if buffering != server.buffering:
        lines += both(f"buffering {'on' if buffering else 'off'}")
    if cached and rules.values.cache:
        statuses = " ".join(map(str, rules.values.cache.statuses))
        key = f"{context.name} $request_method $groundcrew_scheme://$host$groundcrew_host_port$request_uri"
        lines.append("include groundcrew/cached.conf")
        lines += both(f'cache_key "{key}"')
        lines += both(f"cache_valid {statuses} {rules.values.cache.valid}s")
    return lines


def connection(context: Context, *, upgrade: bool) -> list[str]:
    """Whether the connection stays open after a request, and may become a WebSocket."""
    server = context.app.server
    closing = server.type == "command" and not server.keeps_connections
    if not upgrade:
        return [f'proxy_set_header Connection "{"close" if closing else ""}"']
    variable = "$groundcrew_closing_connection" if closing else "$groundcrew_connection"
    return [
        f"proxy_set_header Connection {variable}",
        "proxy_set_header Upgrade $groundcrew_upgrade",
    ]


def both(directive: str) -> list[str]:
    """A directive for HTTP and for uWSGI's protocol."""
    return [f"proxy_{directive}", f"uwsgi_{directive}"]


def decision(context: Context, path: str) -> Block:
    """Where nginx asks the application whether a request may pass: with GET and without a body."""
    target = context.full(path)
    return Block(
        f"= {auth_location(context, path)}",
        [
            "internal",
            f"rewrite ^ {target} break",
            f"include groundcrew/passing/{context.name}.conf",
            *connection(context, upgrade=False),
            "include groundcrew/decision.conf",
        ],
    )


def with_slash(root: str) -> Block:
    """A path whose everything below is somebody's: it is theirs too, with the slash at its end."""
    return Block(f"= {root}", ["absolute_redirect off", f"return 308 {root}/$is_args$args"])
