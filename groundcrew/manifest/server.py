"""Settings of the server process."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    model_validator,
)

from groundcrew.manifest.command import CommandServer
from groundcrew.manifest.uvicorn import UvicornServer
from groundcrew.model import Settings, WrongValueError

_GUNICORN_OWN = ("bind", "config", "umask", "proc_name", "worker_tmp_dir", "control_socket_disable")
_UWSGI_OWN = (
    *("strict", "need-app", "master", "vacuum", "single-interpreter", "enable-threads"),
    *("binary-path", "virtualenv", "die-on-term", "hook-master-start", "chmod-socket", "socket"),
    *("module", "mount", "ini", "if-exists", "if-not-exists", "endif"),
)


def _free(own: Collection[str]) -> AfterValidator:
    """Rejects options that have a key of their own or are reserved for groundcrew."""

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
    """gunicorn behind nginx on a Unix socket, for WSGI and ASGI. Keys are named after gunicorn's
    own settings."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"type": "gunicorn", "worker_class": "gthread", "threads": 4}]
        }
    )

    type: Literal["gunicorn"] = "gunicorn"
    """Kind of server."""

    workers: int | Literal["auto"] = Field("auto", union_mode="left_to_right")
    """Number of worker processes; `auto` = 2 x CPUs + 1 for sync workers, the number of CPUs for
    gthread and uvicorn workers.
    Source: <https://gunicorn.org/design/#how-many-workers>."""

    workers_max: int | None = Field(None, ge=1, le=256)
    """Largest number of workers that `workers: auto` may choose. null: the limit of the
    application's `size`, if it has one."""

    worker_class: Literal["sync", "gthread", "uvicorn"] = "sync"
    """Kind of workers: `sync` or `gthread` for WSGI, `uvicorn` for ASGI
    (uvicorn_worker.UvicornWorker)."""

    threads: int = Field(1, ge=1, le=256)
    """Threads per worker; more than 1 needs `worker_class: gthread`."""

    timeout: int = Field(30, ge=1)
    """Seconds of silence after which a worker is killed and replaced.
    Source: <https://gunicorn.org/reference/settings/#timeout>."""

    graceful_timeout: int = Field(30, ge=1)
    """Seconds that a worker has to finish its requests when it is stopped.
    Source: <https://gunicorn.org/reference/settings/#graceful_timeout>."""

    keep_alive: int = Field(75, ge=1)
    """Seconds that an idle connection from nginx stays open. It must be longer than
    `nginx.upstream_keepalive_timeout`, so that nginx, not the server, closes connections. Sync
    workers ignore it."""

    max_requests: int | None = Field(None, ge=0)
    """Requests after which a worker is replaced, against memory leaks; 0 = never. null: 1000 for
    sync workers, never for the others. These keep connections open: a worker that is replaced
    closes them, and a POST that is just on its way over one is lost."""

    max_requests_jitter: int = Field(100, ge=0)
    """Largest random number that is added to `max_requests`, so that workers are not replaced
    together."""

    preload: bool = False
    """Whether the application is loaded before the workers are forked. This saves memory, but all
    workers share the threads and connections that an import opens."""

    worker_connections: int = Field(1000, ge=1)
    """Clients that one worker serves at the same time (gthread and uvicorn).
    Source: <https://gunicorn.org/reference/settings/#worker_connections>."""

    backlog: int = Field(2048, ge=64)
    """Connections that can wait on the socket; must not exceed net.core.somaxconn (`base.sysctl`).
    Source: <https://gunicorn.org/reference/settings/#backlog>."""

    limit_request_line: int = Field(4094, ge=0, le=65535)
    """Longest request line in bytes; 0 = unlimited.
    Source: <https://gunicorn.org/reference/settings/#limit_request_line>."""

    limit_request_fields: int = Field(100, ge=1, le=32768)
    """Largest number of header fields in a request.
    Source: <https://gunicorn.org/reference/settings/#limit_request_fields>."""

    limit_request_field_size: int = Field(8190, ge=0)
    """Largest header field in bytes; 0 = unlimited.
    Source: <https://gunicorn.org/reference/settings/#limit_request_field_size>."""

    tmp_upload_dir: Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/-]*$")] | None = None
    """Directory for request data that is being received, which the application must be able to
    write to. null: the application's own /tmp."""

    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    """Level of gunicorn's own log."""

    access_log: bool = False
    """Whether gunicorn logs requests as well; nginx already does."""

    access_log_format: str = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)s'
    """Format of the access log, in gunicorn's own syntax.
    Source: <https://gunicorn.org/reference/settings/#access_log_format>."""

    options: dict[GunicornOption, JsonValue] = Field(default_factory=dict)
    """More settings of gunicorn by their own names, for those that have no key here. If gunicorn
    does not know one, or refuses it, the release does not start."""

    @property
    def keeps_connections(self) -> bool:
        """Whether connections from nginx stay open between requests."""
        return self.worker_class != "sync"

    @property
    def speaks_websockets(self) -> bool:
        """Whether nginx may pass on upgrades to WebSockets: only for ASGI, as WSGI has none."""
        return self.worker_class == "uvicorn"

    @property
    def protocol(self) -> Literal["http", "uwsgi"]:
        """Protocol on the socket between nginx and the server."""
        return "http"


class UwsgiServer(Settings):
    """uWSGI behind nginx on a Unix socket, for WSGI, in uWSGI's own protocol. Keys are named after
    uWSGI's own options."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"type": "uwsgi", "processes": 8, "cheaper": 2}]}
    )

    type: Literal["uwsgi"]
    """Kind of server."""

    processes: int | Literal["auto"] = Field("auto", union_mode="left_to_right")
    """Number of worker processes; `auto` = one per CPU. Each answers `threads` requests at a
    time."""

    threads: int = Field(2, ge=1, le=256)
    """Threads per process."""

    harakiri: int = Field(60, ge=1)
    """Seconds that a request may take before its process is killed and replaced. More than
    `nginx.proxy_read_timeout` has no use: nginx no longer waits for the answer."""

    max_requests: int = Field(1000, ge=0)
    """Requests after which a process is replaced, against memory leaks; 0 = never."""

    max_requests_delta: int = Field(100, ge=0)
    """Number that is added to `max_requests` once for the first process, twice for the second and
    so on, so that processes are not replaced together."""

    reload_on_rss: int | None = Field(None, ge=16)
    """Resident memory in MiB above which a process is replaced after its request; null: no
    limit."""

    lazy_apps: bool = False
    """Whether each process loads the application itself, instead of once before forking. This takes
    more memory, but each process has its own threads and connections."""

    buffer_size: int = Field(65535, ge=4096, le=65535)
    """Largest size in bytes of a request's line and header fields together; a longer request gets
    502. The default holds everything that nginx lets through
    (`nginx.large_client_header_buffers`)."""

    post_buffering: int = Field(8192, ge=0)
    """Bytes of a request body that are read into memory before the application starts; the rest
    goes into a temporary file. 0 = the application reads the body itself."""

    cheaper: int | None = Field(None, ge=1)
    """Number of processes that run when there is little load; more are started with the load, up to
    `processes`. null: all run all the time."""

    cheaper_initial: int | None = Field(None, ge=1)
    """Number of processes at the start, with `cheaper`. null: as many as `cheaper` says."""

    cheaper_step: int | None = Field(None, ge=1)
    """Number of processes that are started at a time, with `cheaper`. null: 1, uWSGI's own default.
    Source: <https://uwsgi-docs.readthedocs.io/en/latest/Options.html>."""

    offload_threads: int = Field(0, ge=0, le=64)
    """Threads per process that send files for the application."""

    listen: int = Field(1024, ge=64)
    """Connections that can wait on the socket; must not exceed net.core.somaxconn
    (`base.sysctl`)."""

    reload_mercy: int = Field(30, ge=1)
    """Seconds that all processes together have to finish their requests when the release is stopped
    or restarted."""

    worker_reload_mercy: int = Field(30, ge=1)
    """Seconds that one process has to finish its requests when it is replaced."""

    access_log: bool = False
    """Whether uWSGI logs requests as well; nginx already does."""

    options: dict[UwsgiOption, UwsgiValue | list[UwsgiValue]] = Field(default_factory=dict)
    """More options of uWSGI by their own names, for those that have no key here: `true` for one
    without a value, a list for one that is given several times. If uWSGI does not know one, the
    release does not start."""

    @model_validator(mode="after")
    def _cheaper_is_less(self) -> UwsgiServer:
        if self.cheaper is None:
            for key in ("cheaper_initial", "cheaper_step"):
                if getattr(self, key) is not None:
                    raise WrongValueError(key, "does nothing without cheaper")
        elif isinstance(self.processes, int):
            if self.cheaper >= self.processes:
                raise WrongValueError(
                    "cheaper", f"{self.cheaper} is not less than processes: {self.processes}"
                )
            if self.cheaper_initial and self.cheaper_initial > self.processes:
                raise WrongValueError(
                    "cheaper_initial",
                    f"{self.cheaper_initial} is more than processes: {self.processes}",
                )
        return self

    @property
    def backlog(self) -> int:
        """Connections that can wait on the socket."""
        return self.listen

    @property
    def keeps_connections(self) -> bool:
        """Whether connections from nginx stay open between requests: the uwsgi protocol has no
        keep-alive."""
        return False

    @property
    def speaks_websockets(self) -> bool:
        """Whether nginx may pass on upgrades to WebSockets."""
        return False

    @property
    def protocol(self) -> Literal["http", "uwsgi"]:
        """Protocol on the socket between nginx and the server."""
        return "uwsgi"


# Tags appear in error locations, where they must not look like keys.
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
"""Any kind of server; `type` selects it."""
