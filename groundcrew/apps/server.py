"""The server process that runs an application."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from groundcrew.model import Settings


class GunicornServer(Settings):
    """gunicorn behind nginx on a Unix socket. Names follow gunicorn's own settings."""

    type: Literal["gunicorn"] = "gunicorn"
    """Which server."""

    workers: int | Literal["auto"] = Field("auto", union_mode="left_to_right")
    """Worker processes; `auto` = 2 x CPU + 1 for sync workers, CPU count for gthread and uvicorn
    (gunicorn's documentation, "How many workers?")."""

    worker_class: Literal["sync", "gthread", "uvicorn"] = "sync"
    """`sync` or `gthread` for WSGI, `uvicorn` for ASGI (uvicorn_worker.UvicornWorker)."""

    threads: int = Field(1, ge=1, le=256)
    """Threads per worker; more than 1 needs `worker_class: gthread`."""

    timeout: int = Field(30, ge=1)
    """Seconds of silence after which a worker is killed and replaced."""

    graceful_timeout: int = Field(30, ge=1)
    """Seconds that a worker gets to finish its requests when it is stopped."""

    keep_alive: int = Field(75, ge=1)
    """Seconds that an idle connection from nginx is kept; must exceed
    `nginx.upstream_keepalive_timeout`. Sync workers ignore it."""

    max_requests: int = Field(1000, ge=0)
    """Requests after which a worker is replaced, against leaks; 0 = never."""

    max_requests_jitter: int = Field(100, ge=0)
    """Random addition to max_requests, so that workers are not replaced together."""

    preload: bool = False
    """Load the application before forking: saves memory, but import-time threads and connections
    are shared by all workers."""

    worker_connections: int = Field(1000, ge=1)
    """Simultaneous clients per worker (gthread and uvicorn)."""

    backlog: int = Field(2048, ge=64)
    """Connections that may wait on the socket; capped by net.core.somaxconn."""

    limit_request_line: int = Field(4094, ge=0, le=65535)
    """Longest request line in bytes; 0 = unlimited."""

    limit_request_fields: int = Field(100, ge=1, le=32768)
    """Most header fields in a request."""

    limit_request_field_size: int = Field(8190, ge=0)
    """Largest header field in bytes; 0 = unlimited."""

    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    """Level of gunicorn's own log."""

    access_log: bool = False
    """Whether gunicorn logs requests too; nginx already does."""

    access_log_format: str = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)s'
    """Format of that log, in gunicorn's own syntax."""


Server = GunicornServer
"""Every kind of server that a manifest can ask for."""
