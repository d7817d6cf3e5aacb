"""An application's server in nginx's syntax."""

from __future__ import annotations

from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from groundcrew.templates import render
from roles.nginx.settings import NginxSettings


def site_file(settings: NginxSettings, name: str, app: AppSettings) -> str:
    """The upstream and the server of one application."""
    return render(
        "nginx/site.conf.j2",
        settings=settings,
        name=name,
        paths=AppPaths(name),
        instances=app.instances,
        static=app.static,
        static_directory=AppPaths(name).static,
        port=app.port,
        domains=app.domains,
        site=app.nginx,
        client_max_body_size=nginx_size(app.nginx.client_max_body_size),
    )


def passing_files(settings: NginxSettings, name: str, app: AppSettings) -> dict[str, str]:
    """The ways to pass a request on, by protocol. An application has both, whatever its server: the
    live release may be one from before `server.type` was changed."""
    return {
        protocol: render(
            f"nginx/passing-{protocol}.conf.j2",
            settings=settings,
            name=name,
            site=app.nginx,
            websockets=app.server.speaks_websockets,
            closing=app.server.type == "command" and not app.server.keeps_connections,
        )
        for protocol in ("http", "uwsgi")
    }


def nginx_size(size: str) -> str:
    """`size` for nginx, which has no suffix for tebibytes."""
    return f"{int(size[:-1]) * 1024}G" if size.endswith("T") else size
