"""How long a request may be made again that no answer came to."""

from __future__ import annotations

from groundcrew.apps.command import CommandServer
from groundcrew.apps.server import GunicornServer, Server, UwsgiServer
from groundcrew.apps.uvicorn import UvicornServer

SHARE = 0.45
"""Of the server's own timeout: gunicorn's workers tell that they live every half of it, so that one
may be killed for a request of half its length."""


def again_ms(server: Server) -> int:
    """Milliseconds after which a request is made no second time, whatever happens to it.

    A server that kills its process for a request that takes too long closes the connection, which
    looks like one that was closed just before it was used. Those are found within moments; by now
    it is known to be the request's own doing.
    """
    return round(min(_timeouts(server)) * 1000 * SHARE)


def _timeouts(server: Server) -> list[int]:
    """Seconds after which processes are killed whatever they do."""
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
