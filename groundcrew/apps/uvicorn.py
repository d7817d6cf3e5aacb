"""uvicorn alone as the server of an application."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from groundcrew.model import Settings


class UvicornServer(Settings):
    """uvicorn behind nginx on a Unix socket, for ASGI. Names follow uvicorn's own options."""

    type: Literal["uvicorn"]
    """Which server."""

    workers: int | Literal["auto"] = Field("auto", union_mode="left_to_right")
    """Worker processes; `auto` = one per CPU, but at least two, so that one serves while the other
    is replaced. With one alone a restart refuses connections for a moment."""

    workers_max: int | None = Field(None, ge=1, le=256)
    """With `workers: auto`, at most so many. Default: as the application's `size` says, if it says
    one."""

    timeout_graceful_shutdown: int = Field(30, ge=1)
    """Seconds that requests get to finish when the server or a worker is stopped."""

    keep_alive: int = Field(75, ge=1)
    """Seconds that an idle connection from nginx is kept (--timeout-keep-alive); must exceed
    `nginx.upstream_keepalive_timeout`."""

    limit_concurrency: int | None = Field(None, ge=1)
    """Connections and tasks of a worker above which it answers 503. null: no limit."""

    limit_max_requests: int | None = Field(None, ge=1)
    """Requests after which a worker is replaced, against leaks. null: never. A worker that is
    replaced closes its connections, and a POST that is just on its way over one is lost."""

    limit_max_requests_jitter: int | None = Field(None, ge=0)
    """Random addition to limit_max_requests, so that workers are not replaced together."""

    timeout_worker_healthcheck: int | None = Field(None, ge=1)
    """Seconds within which a worker must show that it lives, and a new one that it serves, else it
    is replaced. null: uvicorn's own 5. More for an application that takes longer to start."""

    backlog: int = Field(2048, ge=64)
    """Connections that may wait on the socket; capped by net.core.somaxconn."""

    loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    """Event loop; `auto` = uvloop, which is installed with uvicorn."""

    http: Literal["auto", "h11", "httptools"] = "auto"
    """HTTP parser; `auto` = httptools, which is installed with uvicorn."""

    ws: Literal["auto", "websockets", "websockets-sansio", "wsproto"] = "auto"
    """WebSocket implementation; `auto` = websockets, which is installed with uvicorn."""

    ws_max_size: int | None = Field(None, ge=1)
    """Largest WebSocket message in bytes. null: uvicorn's own 16 MiB."""

    ws_max_queue: int | None = Field(None, ge=1)
    """WebSocket messages that may wait in a connection. null: uvicorn's own 32."""

    ws_ping_interval: float | None = Field(None, gt=0)
    """Seconds between two pings over a WebSocket. null: uvicorn's own 20."""

    ws_ping_timeout: float | None = Field(None, gt=0)
    """Seconds without an answer to a ping until the connection is closed. null: uvicorn's own
    20."""

    ws_per_message_deflate: bool = True
    """Whether WebSocket messages may be compressed."""

    lifespan: Literal["auto", "on", "off"] = "auto"
    """Whether the application is told of start and stop; `on` = it must support that."""

    h11_max_incomplete_event_size: int | None = Field(None, ge=1)
    """Most bytes of a request's head that h11 keeps. null: uvicorn's own 64 KiB."""

    log_level: Literal["trace", "debug", "info", "warning", "error", "critical"] = "info"
    """Level of uvicorn's own log."""

    access_log: bool = False
    """Whether uvicorn logs requests too; nginx already does."""

    @model_validator(mode="after")
    def _somebody_serves_while_a_worker_is_replaced(self) -> UvicornServer:
        if self.limit_max_requests and 1 in (self.workers, self.workers_max):
            raise ValueError(
                "limit_max_requests with one worker stops the whole server; give it more workers"
            )
        return self

    @property
    def keeps_connections(self) -> bool:
        """Whether connections from nginx stay open between requests."""
        return True

    @property
    def speaks_websockets(self) -> bool:
        """Whether an upgrade may be passed on."""
        return True

    @property
    def protocol(self) -> Literal["http", "uwsgi"]:
        """What nginx speaks on its socket."""
        return "http"
