"""An application's server in nginx's syntax."""

from __future__ import annotations

from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from groundcrew.apps.server import Server
from groundcrew.templates import render
from roles.nginx.settings import NginxSettings


def site_file(settings: NginxSettings, name: str, app: AppSettings) -> str:
    """The upstream and the server of one application."""
    return render(
        "nginx/site.conf.j2",
        settings=settings,
        name=name,
        upstream=AppPaths(name).upstream,
        fallback=AppPaths(name).fallback,
        port=app.port,
        domains=app.domains,
        site=app.nginx,
        client_max_body_size=nginx_size(app.nginx.client_max_body_size),
        websockets=speaks_websockets(app.server),
    )


def nginx_size(size: str) -> str:
    """`size` for nginx, which has no suffix for tebibytes."""
    return f"{int(size[:-1]) * 1024}G" if size.endswith("T") else size


def speaks_websockets(server: Server) -> bool:
    """Whether an upgrade may be passed on: WSGI has no WebSockets, and gets none."""
    return server.worker_class == "uvicorn"
