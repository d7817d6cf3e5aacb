"""How long nginx may retry a request."""

from __future__ import annotations

from groundcrew.manifest.command import CommandServer
from groundcrew.manifest.server import GunicornServer, Server, UwsgiServer
from groundcrew.manifest.uvicorn import UvicornServer

SHARE = 0.45
"""Share of the server's own timeout. gunicorn's workers report that they are alive every half of
it, so that a request of half the timeout can get its worker killed."""


def again_ms(server: Server) -> int:
    """Milliseconds after which a request is not retried.

    A server that kills its process because a request takes too long closes the connection. That
    looks like an idle connection closed just before it was used, but those are detected within
    moments; a connection that closes later was closed because of the request itself.
    """
    return round(min(_timeouts(server)) * 1000 * SHARE)


def _timeouts(server: Server) -> list[int]:
    """Seconds after which the server may kill its processes."""
    match server:
        case GunicornServer():
            return [server.timeout, server.graceful_timeout]
        case UwsgiServer():
            return [server.harakiri, server.reload_mercy, server.worker_reload_mercy]
        case UvicornServer():
            watched = server.timeout_worker_healthcheck
            return [server.timeout_graceful_shutdown, *([watched] if watched else [])]
        case CommandServer():
            return [server.stop_timeout]
