"""The server process that runs an application."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    model_validator,
)

from groundcrew.apps.command import CommandServer
from groundcrew.apps.uvicorn import UvicornServer
from groundcrew.model import Settings

_GUNICORN_OWN = ("bind", "config", "umask", "proc_name", "worker_tmp_dir", "control_socket_disable")
_UWSGI_OWN = (
    *("strict", "need-app", "master", "vacuum", "single-interpreter", "enable-threads"),
    *("binary-path", "virtualenv", "die-on-term", "hook-master-start", "chmod-socket", "socket"),
    *("module", "mount", "ini", "if-exists", "if-not-exists", "endif"),
)


def _free(own: Collection[str]) -> AfterValidator:
    """Refuses what has a key, or is none of the user's business."""

    def check(name: str) -> str:
        if name in own:
            raise ValueError(f"{name} is set by groundcrew")
        return name

    return AfterValidator(check)


GunicornOption = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$"), _free(_GUNICORN_OWN)
]
UwsgiOption = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$"), _free(_UWSGI_OWN)]
UwsgiValue = bool | int | Annotated[str, StringConstraints(pattern=r"^[^\n\x00]*$")]


class GunicornServer(Settings):
    """gunicorn behind nginx on a Unix socket. Names follow gunicorn's own settings."""

    type: Literal["gunicorn"] = "gunicorn"
    """Which server."""

    workers: int | Literal["auto"] = Field("auto", union_mode="left_to_right")
    """Worker processes; `auto` = 2 x CPU + 1 for sync workers, CPU count for gthread and uvicorn
    (gunicorn's documentation, "How many workers?")."""

    workers_max: int | None = Field(None, ge=1, le=256)
    """With `workers: auto`, at most so many. Default: as the application's `size` says, if it says
    one."""

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

    max_requests: int | None = Field(None, ge=0)
    """Requests after which a worker is replaced, against leaks; 0 = never. Default: 1000 for sync
    workers, never for the others: they keep connections, a worker that is replaced closes them, and
    a POST that is just on its way over one is lost."""

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

    tmp_upload_dir: Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/-]*$")] | None = None
    """Directory for request data on its way, which the application must be able to write to. null:
    its own /tmp."""

    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    """Level of gunicorn's own log."""

    access_log: bool = False
    """Whether gunicorn logs requests too; nginx already does."""

    access_log_format: str = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)s'
    """Format of that log, in gunicorn's own syntax."""

    options: dict[GunicornOption, JsonValue] = Field(default_factory=dict)
    """More settings of gunicorn's by their own names, for what has no key here. One that gunicorn
    does not know, or refuses, keeps the release from starting."""

    @property
    def keeps_connections(self) -> bool:
        """Whether connections from nginx stay open between requests."""
        return self.worker_class != "sync"

    @property
    def speaks_websockets(self) -> bool:
        """Whether an upgrade may be passed on: WSGI has no WebSockets, and gets none."""
        return self.worker_class == "uvicorn"

    @property
    def protocol(self) -> Literal["http", "uwsgi"]:
        """What nginx speaks on its socket."""
        return "http"


class UwsgiServer(Settings):
    """uWSGI behind nginx, for WSGI: on a Unix socket, in uWSGI's own protocol. Names follow uWSGI's
    own options."""

    type: Literal["uwsgi"]
    """Which server."""

    processes: int | Literal["auto"] = Field("auto", union_mode="left_to_right")
    """Worker processes; `auto` = one per CPU. Each answers `threads` requests at a time."""

    threads: int = Field(2, ge=1, le=256)
    """Threads per process."""

    harakiri: int = Field(60, ge=1)
    """Seconds after which a process whose request is not done is killed and replaced. Longer than
    `nginx.proxy_read_timeout` nobody waits for the answer."""

    max_requests: int = Field(1000, ge=0)
    """Requests after which a process is replaced, against leaks; 0 = never."""

    max_requests_delta: int = Field(100, ge=0)
    """Added to max_requests once for the first process, twice for the second, ...: so that they are
    not replaced together."""

    reload_on_rss: int | None = Field(None, ge=16)
    """MiB of resident memory above which a process is replaced after its request."""

    lazy_apps: bool = False
    """Load the application in each process instead of before forking: takes more memory, but
    import-time threads and connections are each process's own."""

    buffer_size: int = Field(65535, ge=4096, le=65535)
    """Most bytes of a request's line and header fields together; more is a 502. The default holds
    all that nginx lets through (`nginx.large_client_header_buffers`)."""

    post_buffering: int = Field(8192, ge=0)
    """Bytes of a request body that are read into memory before the application starts, the rest
    into a temporary file; 0 = the application reads it itself."""

    cheaper: int | None = Field(None, ge=1)
    """Processes that are kept when there is little to do; more are started with the load, up to
    `processes`. null: all of them all the time."""

    cheaper_initial: int | None = Field(None, ge=1)
    """With cheaper, processes at the start. null: as many as cheaper says."""

    cheaper_step: int | None = Field(None, ge=1)
    """With cheaper, processes that are started at a time. null: uWSGI's own 1."""

    offload_threads: int = Field(0, ge=0, le=64)
    """Threads per process that send files on the application's behalf."""

    listen: int = Field(1024, ge=64)
    """Connections that may wait on the socket; at most net.core.somaxconn, else uWSGI does not
    start."""

    reload_mercy: int = Field(30, ge=1)
    """Seconds that all processes together get to finish their requests when the release is stopped
    or restarted."""

    worker_reload_mercy: int = Field(30, ge=1)
    """Seconds that one process gets to finish its requests when it is replaced."""

    access_log: bool = False
    """Whether uWSGI logs requests too; nginx already does."""

    options: dict[UwsgiOption, UwsgiValue | list[UwsgiValue]] = Field(default_factory=dict)
    """More options of uWSGI's by their own names, for what has no key here: `true` for one without
    a value, a list for one that is given several times. One that uWSGI does not know keeps the
    release from starting."""

    @model_validator(mode="after")
    def _cheaper_is_less(self) -> UwsgiServer:
        if self.cheaper is None:
            for key in ("cheaper_initial", "cheaper_step"):
                if getattr(self, key) is not None:
                    raise ValueError(f"{key} does nothing without cheaper")
        elif isinstance(self.processes, int):
            if self.cheaper >= self.processes:
                raise ValueError(
                    f"cheaper: {self.cheaper} is not less than processes: {self.processes}"
                )
            if self.cheaper_initial and self.cheaper_initial > self.processes:
                raise ValueError(
                    f"cheaper_initial: {self.cheaper_initial} is more than processes: "
                    f"{self.processes}"
                )
        return self

    @property
    def backlog(self) -> int:
        """Connections that may wait on the socket."""
        return self.listen

    @property
    def keeps_connections(self) -> bool:
        """Whether connections from nginx stay open between requests: the protocol has none such."""
        return False

    @property
    def speaks_websockets(self) -> bool:
        """Whether an upgrade may be passed on."""
        return False

    @property
    def protocol(self) -> Literal["http", "uwsgi"]:
        """What nginx speaks on its socket."""
        return "uwsgi"


# Tags are part of error locations, where they must not look like keys.
_TAGS = {name: f"under {name}" for name in ("gunicorn", "uvicorn", "uwsgi", "command")}


def _tag(value: Any) -> str | None:
    default = "gunicorn"
    given = (
        value.get("type", default) if isinstance(value, dict) else getattr(value, "type", default)
    )
    return _TAGS.get(given) if isinstance(given, str) else None


Server = Annotated[
    Annotated[GunicornServer, Tag("under gunicorn")]
    | Annotated[UvicornServer, Tag("under uvicorn")]
    | Annotated[UwsgiServer, Tag("under uwsgi")]
    | Annotated[CommandServer, Tag("under command")],
    Discriminator(
        _tag,
        custom_error_type="kind",
        custom_error_message="expected {expected}",
        custom_error_context={
            "key": "type",
            "expected": "'gunicorn', 'uvicorn', 'uwsgi' or 'command'",
        },
    ),
]
"""Every kind of server that a manifest can ask for, told apart by `type`."""
