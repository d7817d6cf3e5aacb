"""An application's site files in nginx's syntax."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import CHALLENGES, certificate_directory
from groundcrew.manifest.rules import guarded
from groundcrew.roles.nginx import traffic
from groundcrew.roles.nginx.again import again_ms
from groundcrew.roles.nginx.context import Context, Server
from groundcrew.roles.nginx.front import led
from groundcrew.roles.nginx.headers import quote
from groundcrew.roles.nginx.locations import Block, locations
from groundcrew.roles.nginx.maintenance import page_url
from groundcrew.roles.nginx.sizes import nginx_size
from groundcrew.templates import render


def site_files(context: Context) -> tuple[str, str]:
    """The application's site file and its locations file. The site file also has the server block
    if the application owns it."""
    blocks = locations(context)
    return site_file(context), locations_file(context.name, blocks)


def locations_file(name: str, blocks: list[Block]) -> str:
    """The locations file."""
    return render("nginx/locations.conf.j2", name=name, blocks=blocks)


def site_file(context: Context) -> str:
    """The upstream, zones and maps of the application, and the server block if it owns one."""
    server = context.server
    return render(
        "nginx/site.conf.j2",
        settings=context.settings,
        name=context.name,
        paths=context.paths,
        instances=context.app.instances,
        site=context.app.nginx,
        http=[context.zones[key] for key in sorted(context.zones)],
        server=server_block(context) if context.name == server.owner else "",
    )


def server_block(context: Context) -> str:
    """The server block of one application, or of several that share their domains. With HTTPS, also
    the one that redirects to it."""
    server, app = context.server, context.server.app
    return render(
        "nginx/server.conf.j2",
        settings=context.settings,
        owner=server.owner,
        port=app.port,
        tls=app.tls,
        certificate=certificate_directory(server.owner),
        challenges=CHALLENGES if asks_by_http(app) else None,
        ssl=context.https.listen,
        http2_is_directive=context.https.http2_is_directive,
        plain_health=plain_health(server),
        # Without domains it is the default server of its port, which also sets the port's
        # parameters.
        alone="" if app.domains else f" default_server backlog={context.settings.backlog}",
        domains=app.domains,
        counted=traffic.log_line(server.owner) if context.settings.counts else "",
        site=app.nginx,
        client_max_body_size=nginx_size(app.nginx.client_max_body_size),
        page=page_url(server.owner),
        names=list(server.apps),
        redirects=led(app),
        private=any(item.private for item in server.apps.values()),
        rooted=app.root == "",
        guarded=any(guarded(item.nginx.locations) for item in server.apps.values()),
    )


def asks_by_http(app: AppSettings) -> bool:
    """Whether the ACME challenge is answered over HTTP on port 80."""
    certificate = app.tls.certificate if app.tls else None
    return certificate is not None and certificate.type == "acme" and certificate.dns is None


def plain_health(server: Server) -> Mapping[str, str]:
    """Application -> health path as nginx compares it, if it is answered over plain HTTP too."""
    return {
        name: quote(unquote((app.root + app.health.path).partition("?")[0]))
        for name, app in server.apps.items()
        if app.tls and app.tls.plain_health
    }


def passing_files(name: str, app: AppSettings) -> Mapping[str, str]:
    """The files that pass requests on, by protocol. Each application has both: the live release may
    predate a change of `server.type`."""
    return {
        protocol: render(
            f"nginx/passing-{protocol}.conf.j2",
            name=name,
            again=again_ms(app.server),
            private=app.private,
        )
        for protocol in ("http", "uwsgi")
    }
