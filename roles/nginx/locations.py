"""The locations of an application: paths, what serves them, and the rules that apply."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import unquote

from groundcrew.manifest.rules import Rules, rules_for
from groundcrew.manifest.urls import Kind, answering, kind_of
from groundcrew.roles.nginx import sharing, traffic
from groundcrew.roles.nginx.access import access, auth_location, client_limits
from groundcrew.roles.nginx.context import Context, base_headers
from groundcrew.roles.nginx.files_served import FILES, computed_headers
from groundcrew.roles.nginx.header_sets import site_headers
from groundcrew.roles.nginx.headers import headers_file, quote
from groundcrew.roles.nginx.sizes import nginx_size


@dataclass(frozen=True)
class Block:
    """One location: its match in nginx's syntax, and its directives."""

    match: str
    lines: list[str]


def locations(context: Context) -> list[Block]:
    """All locations of an application, including internal ones."""
    blocks = [block(context, path) for path in wanted(context)]
    paths = {rules.auth_request for rules in context.app.nginx.locations.values()}
    blocks += [decision(context, path) for path in sorted(path for path in paths if path)]
    roots = [context.app.root] if context.app.root else []
    if context.app.frontend and context.app.frontend.url != "/":
        roots.append(context.full(context.app.frontend.url.rstrip("/")))
    taken = {item.match for item in blocks}
    return blocks + [with_slash(root) for root in roots if f"= {root}" not in taken]


def wanted(context: Context) -> list[str]:
    """The paths that need a location: `/x` for a prefix, `= /x` for an exact match."""
    app = context.app
    paths = {*answering(app), *app.nginx.locations}
    folders = [key for key in app.nginx.locations if key.startswith("/") and key.endswith("/")]
    paths |= {f"= {key[:-1]}" for key in folders if key != "/"}
    rules = rules_for(app.health.path, app.nginx.locations).values
    if rules.cache or rules.basic_auth is not None or rules.auth_request is not None:
        # Probes must get a current answer of the application itself.
        paths.add(f"= {health_path(context)}")
    return sorted(paths)


def health_path(context: Context) -> str:
    """The health path as nginx compares it: decoded, without the query."""
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
            *client_limits(context, rules, application=kind == "application"),
            *access(context, rules, health=health),
            *body_size(context, rules),
            *headers(context, rules, kind, cached=cached),
            *(passing(context, rules, cached=cached) if kind == "application" else []),
            *(files(context, kind, url, exact=exact) if kind != "application" else []),
        ]
    return Block(match(context, path, kind), lines)


def files(context: Context, kind: Kind, url: str, *, exact: bool) -> list[str]:
    """Directives that serve files. An exact location cannot contain nested locations."""
    lines = FILES[kind](context, url)
    return [line for line in lines if not (exact and line.startswith("location "))]


def match(context: Context, path: str, kind: Kind) -> str:
    """The path as an nginx location match."""
    exact, url = path.startswith("= "), path.removeprefix("= ")
    full = context.full(url)
    operator = "= " if exact else "" if kind in ("application", "page") else "^~ "
    return operator + (full if safe(full) else quote(full))


def safe(text: str) -> bool:
    """Whether the path can be written in nginx's syntax without quotes."""
    return not set(text) & set(" \t;{}\"'\\$#") and text.isprintable()


def own_log(context: Context) -> list[str]:
    """The application's own logs, if it is not the owner of its server block."""
    if context.name == context.server.owner:
        return []
    log = f"/var/log/nginx/{context.name}"
    return [
        f"access_log {log}.access.log groundcrew",
        *([traffic.log_line(context.name)] if context.settings.counts else []),
        f"error_log {log}.error.log warn",
    ]


def constant(context: Context, rules: Rules) -> list[str]:
    """A fixed answer: a status, a text or a redirect."""
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
    """The request body limit, if it differs from the server block's."""
    size = rules.values.client_max_body_size or context.app.nginx.client_max_body_size
    if size == context.server.app.nginx.client_max_body_size:
        return []
    return [f"client_max_body_size {nginx_size(size)}"]


def headers(context: Context, rules: Rules, kind: Kind, *, cached: bool) -> list[str]:
    """The headers file, if it differs from the server block's: a location that sets a header
    inherits none."""
    settings, app = context.settings, context.app
    computed = computed_headers(context, kind)
    if cached:
        computed["X-Cache-Status"] = "$upstream_cache_status"
    computed |= sharing.sharing(context, rules)
    site = site_headers(settings, app)
    if kind == "private":
        # The application's own headers belong to a response that nginx discards.
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
    """Directives that pass a request to the application."""
    lines = [
        f"include groundcrew/passing/{context.name}.conf",
        *connection(context, upgrade=context.app.server.speaks_websockets),
    ]
    site, server = context.app.nginx, context.server.app.nginx
    timeout = rules.values.proxy_read_timeout or site.proxy_read_timeout
    if timeout != server.proxy_read_timeout:
        lines += for_both(f"proxy_read_timeout {timeout}s") + for_both(
            f"proxy_send_timeout {timeout}s"
        )
    if site.proxy_connect_timeout != server.proxy_connect_timeout:
        lines += for_both(f"proxy_connect_timeout {site.proxy_connect_timeout}s")
    buffering = site.buffering if rules.values.buffering is None else rules.values.buffering
    if buffering != server.buffering:
        lines += for_both(f"proxy_buffering {'on' if buffering else 'off'}")
    if cached and rules.values.cache:
        statuses = " ".join(map(str, rules.values.cache.statuses))
        key = f"{context.name} $request_method $groundcrew_scheme://$host$groundcrew_host_port$request_uri"
        lines.append("include groundcrew/cached.conf")
        lines += for_both(f'proxy_cache_key "{key}"')
        lines += for_both(f"proxy_cache_valid {statuses} {rules.values.cache.valid}s")
    return lines


def connection(context: Context, *, upgrade: bool) -> list[str]:
    """Headers that keep or close the connection to the application and upgrade it to a
    WebSocket."""
    server = context.app.server
    closing = server.type == "command" and not server.keeps_connections
    if not upgrade:
        return [f'proxy_set_header Connection "{"close" if closing else ""}"']
    variable = "$groundcrew_closing_connection" if closing else "$groundcrew_connection"
    return [
        f"proxy_set_header Connection {variable}",
        "proxy_set_header Upgrade $groundcrew_upgrade",
    ]


def for_both(directive: str) -> list[str]:
    """A directive for HTTP (`proxy_read_timeout 60s`), and the same for the uwsgi protocol."""
    return [directive, directive.replace("proxy_", "uwsgi_", 1)]


def decision(context: Context, path: str) -> Block:
    """The internal location for `auth_request`: asks the application with GET and without a
    body."""
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
    """Redirects /x to /x/ where a prefix location /x/ exists."""
    return Block(f"= {root}", ["absolute_redirect off", f"return 308 {root}/$is_args$args"])
