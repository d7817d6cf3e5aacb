"""Settings of uvicorn as the server."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from groundcrew.model import Settings, WrongValueError


class UvicornServer(Settings):
    """uvicorn behind nginx on a Unix socket, for ASGI. Keys are named after uvicorn's own
    options."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"type": "uvicorn", "workers": 4, "ws_max_size": 1048576}]}
    )

    type: Literal["uvicorn"]
    """Kind of server."""

    workers: int | Literal["auto"] = Field("auto", union_mode="left_to_right")
    """Number of worker processes; `auto` = one per CPU, but at least two, so that one serves while
    the other is replaced. With one worker, a restart refuses connections for a moment."""

    workers_max: int | None = Field(None, ge=1, le=256)
    """Largest number of workers that `workers: auto` may choose. null: the limit of the
    application's `size`, if it has one."""

    timeout_graceful_shutdown: int = Field(30, ge=1)
    """Seconds that requests have to finish when the server or a worker is stopped."""

    keep_alive: int = Field(75, ge=1)
    """Seconds that an idle connection from nginx stays open (--timeout-keep-alive). It must be
    longer than `nginx.upstream_keepalive_timeout`, so that nginx, not the server, closes
    connections."""

    limit_concurrency: int | None = Field(None, ge=1)
    """Connections and tasks of a worker above which it answers 503; null: no limit."""

    limit_max_requests: int | None = Field(None, ge=1)
    """Requests after which a worker is replaced, against memory leaks; null: never. A worker that
    is replaced closes its connections, and a POST that is just on its way over one is lost."""

    limit_max_requests_jitter: int | None = Field(None, ge=0)
    """Largest random number that is added to `limit_max_requests`, so that workers are not replaced
    together; null: none is added."""

    timeout_worker_healthcheck: int | None = Field(None, ge=1)
    """Seconds within which a worker must show that it lives, and a new worker that it serves;
    otherwise it is replaced. null: 5, uvicorn's own default. An application that starts slowly
    needs more.
    Source: <https://uvicorn.dev/settings/>."""

    backlog: int = Field(2048, ge=64)
    """Connections that can wait on the socket; must not exceed net.core.somaxconn (`base.sysctl`).
    Source: <https://uvicorn.dev/settings/>."""

    loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    """Event loop; `auto` = uvloop, which is installed with uvicorn."""

    http: Literal["auto", "h11", "httptools"] = "auto"
    """HTTP parser; `auto` = httptools, which is installed with uvicorn."""

    ws: Literal["auto", "websockets", "websockets-sansio", "wsproto"] = "auto"
    """WebSocket implementation; `auto` = websockets, which is installed with uvicorn."""

    ws_max_size: int | None = Field(None, ge=1)
    """Largest WebSocket message in bytes; null: 16 MiB, uvicorn's own default.
    Source: <https://uvicorn.dev/settings/>."""

    ws_max_queue: int | None = Field(None, ge=1)
    """WebSocket messages that can wait in a connection; null: 32, uvicorn's own default.
    Source: <https://uvicorn.dev/settings/>."""

    ws_ping_interval: float | None = Field(None, gt=0)
    """Seconds between two pings over a WebSocket; null: 20, uvicorn's own default.
    Source: <https://uvicorn.dev/settings/>."""

    ws_ping_timeout: float | None = Field(None, gt=0)
    """Seconds without an answer to a ping after which the connection is closed; null: 20, uvicorn's
    own default.
    Source: <https://uvicorn.dev/settings/>."""

    ws_per_message_deflate: bool = True
    """Whether WebSocket messages may be compressed."""

    lifespan: Literal["auto", "on", "off"] = "auto"
    """Whether the application is told when the server starts and stops; with `on` it must support
    that."""

    h11_max_incomplete_event_size: int | None = Field(None, ge=1)
    """Largest size in bytes of a request's head that h11 keeps; null: 64 KiB, uvicorn's own
    default.
    Source: <https://uvicorn.dev/settings/>."""

    log_level: Literal["trace", "debug", "info", "warning", "error", "critical"] = "info"
    """Level of uvicorn's own log."""

    access_log: bool = False
    """Whether uvicorn logs requests as well; nginx already does."""

    @model_validator(mode="after")
    def _somebody_serves_while_a_worker_is_replaced(self) -> UvicornServer:
        if self.limit_max_requests and 1 in (self.workers, self.workers_max):
            raise WrongValueError(
                "limit_max_requests",
                "with one worker, it stops the whole server; give it more workers",
            )
        return self

    @property
    def keeps_connections(self) -> bool:
        """Whether connections from nginx stay open between requests."""
        return True

    @property
    def speaks_websockets(self) -> bool:
        """Whether nginx may pass on upgrades to WebSockets."""
        return True

    @property
    def protocol(self) -> Literal["http", "uwsgi"]:
        """Protocol on the socket between nginx and the server."""
        return "http"
