"""An application's part of the sites in nginx's syntax."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import CHALLENGES, certificate_directory
from groundcrew.apps.rules import guarded
from groundcrew.templates import render
from roles.nginx.again import again_ms
from roles.nginx.context import Context, Server
from roles.nginx.front import led
from roles.nginx.headers import quote
from roles.nginx.locations import Block, locations
from roles.nginx.maintenance import page_url
from roles.nginx.sizes import nginx_size


def site_files(context: Context) -> tuple[str, str]:
    """What an application has at nginx's http level, and its locations. The first holds the server
    block too, where the application is its owner."""
    blocks = locations(context)
    return site_file(context), locations_file(context.name, blocks)


def locations_file(name: str, blocks: list[Block]) -> str:
    """The locations."""
    return render("nginx/locations.conf.j2", name=name, blocks=blocks)


def site_file(context: Context) -> str:
    """The upstream, zones and maps that the locations need, and the server of its owner."""
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
    """The server block of one application, or of several that share their domains; with HTTPS also
    the one that leads there."""
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
        # Without names it is the one for all of its port; what belongs to the port is said there.
        alone="" if app.domains else f" default_server backlog={context.settings.backlog}",
        domains=app.domains,
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
    """Whether an ACME directory asks for files on port 80."""
    certificate = app.tls.certificate if app.tls else None
    return certificate is not None and certificate.type == "acme" and certificate.dns is None


def plain_health(server: Server) -> Mapping[str, str]:
    """Application -> its health path as nginx compares it, where that is answered over plain HTTP
    too."""
    return {
        name: quote(unquote((app.root + app.health.path).partition("?")[0]))
        for name, app in server.apps.items()
        if app.tls and app.tls.plain_health
    }


def passing_files(name: str, app: AppSettings) -> Mapping[str, str]:
    """The ways to pass a request on, by protocol. An application has both, whatever its server: the
    live release may be one from before `server.type` was changed."""
    return {
        protocol: render(
            f"nginx/passing-{protocol}.conf.j2",
            name=name,
            again=again_ms(app.server),
            private=app.private,
        )
        for protocol in ("http", "uwsgi")
    }
