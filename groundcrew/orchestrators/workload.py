"""What runs of an application, in terms that every orchestrator of containers knows.

`roles/workloads.py` computes a workload from checked settings. It holds names of secrets, never
their values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from groundcrew.manifest.serving import Serving


@dataclass(frozen=True)
class Limits:
    """Resource limits of one process; null: none."""

    memory: int | None = None
    """Bytes."""

    memory_kept: int | None = None
    """Bytes that are reserved."""

    processors: float | None = None
    """Number of CPUs."""

    processes: int | None = None
    """Processes and threads together."""

    open_files: int | None = None
    """Open files of a process."""


@dataclass(frozen=True)
class Restart:
    """How a process that has ended by itself is started again."""

    seconds: int = 2
    """Seconds until it is started."""

    burst: int | None = None
    """Starts within `interval` after which nobody tries again; null: never."""

    interval: int = 60


@dataclass(frozen=True)
class Process:
    """A background process."""

    name: str
    command: tuple[str, ...]
    instances: int = 1
    """Number of processes; each has its number, from 1, in WORKER_INSTANCE."""

    single: bool = False
    """Whether the old process must have ended before the new one starts."""

    stop_timeout: int = 60
    """Seconds that it has after SIGTERM until it is killed."""

    restart: Restart = Restart()
    limits: Limits = Limits()


@dataclass(frozen=True)
class Scheduled:
    """A command that runs on a schedule."""

    name: str
    command: tuple[str, ...]
    schedule: str
    """systemd's calendar event."""

    zone: str
    """Time zone of the schedule, by its IANA name."""

    timeout: int = 3600
    """Seconds after which a run is stopped."""

    single: bool = False
    limits: Limits = Limits()


@dataclass(frozen=True)
class Secret:
    """An environment variable, or a file, whose value must not be in a manifest."""

    name: str
    """The variable's name, or the file's path in the application's directory."""

    told: str
    """What to put in, for people."""


@dataclass(frozen=True)
class ConfigFile:
    """A file that the application reads, at a path relative to its directory."""

    path: str
    text: str
    """The file's text. Secrets are represented by `<NAME>`."""

    secrets: tuple[str, ...] = ()
    """Names of the secrets in the text. With any, the file itself is a secret."""


@dataclass(frozen=True)
class Health:
    """The request that says whether the server is healthy."""

    path: str
    """Path with the application's prefix."""

    status: int
    timeout: int
    """Seconds within which the first healthy answer must come."""

    request_timeout: int
    """Seconds that one answer may take."""

    successes: int
    """Healthy answers in a row that a new process needs."""

    poll: Poll | None = None
    """What happens to a process that does not answer later; null: nothing."""


@dataclass(frozen=True)
class Poll:
    """Requests after the start."""

    interval: int
    timeout: int
    retries: int
    start_period: int


@dataclass(frozen=True)
class Network:
    """What the application's processes may exchange packets with, besides the proxy."""

    all: bool = False
    """Whether they may connect to all addresses but `denied`."""

    allowed: tuple[str, ...] = ()
    """Networks that they may connect to."""

    denied: tuple[str, ...] = ()
    """Networks that they may never connect to: metadata services of clouds."""


@dataclass(frozen=True)
class Sandbox:
    """Restrictions of the processes that containers know too."""

    read_only: bool = True
    new_privileges: bool = False
    capabilities: tuple[str, ...] = ()
    """Capabilities that are kept, without `CAP_`."""


@dataclass(frozen=True)
class Header:
    """A response header of the proxy."""

    name: str
    value: str
    yields: bool = False
    """Whether the application's own header of this name holds instead."""


@dataclass(frozen=True)
class Route:
    """How the proxy answers a path."""

    path: str
    """Path with the application's prefix."""

    exact: bool
    """Whether only this path is meant, not those below it."""

    kind: str
    """What answers: `application`, or files of the kind `page`, `asset`, `static`, `media` or
    `private`."""

    directory: str | None = None
    """Directory in the container that the files are in; null: the application answers."""

    base: str = "/"
    """Path at which that directory is served, with a slash at its end."""

    single_page: bool = False
    """Whether a path without a file gets the directory's index.html."""

    body: str = "10M"
    """Largest request body, in nginx's notation."""

    read_timeout: int = 60
    buffering: bool = True
    allow: tuple[str, ...] | None = None
    """Networks of the clients that are let in; null: all."""

    guard: bool = False
    """Whether a password or the application must let a client in, which the proxy here cannot ask
    for: it lets nobody in."""

    answer: tuple[int, str, str] | None = None
    """A constant answer: status, URL, text."""

    immutable: tuple[str, ...] = ()
    """Regular expressions for paths that browsers keep for a year."""

    headers: tuple[Header, ...] = ()


@dataclass(frozen=True)
class Web:
    """What the proxy in front of the server does."""

    domains: tuple[str, ...]
    redirects: Mapping[str, str]
    """Host names that only redirect: name -> domain."""

    prefix: str
    https: bool
    """Whether visitors use HTTPS."""

    certificate: str | None
    """Kind of certificate on hosts: `acme`, `own` or `self-signed`; null: none."""

    routes: tuple[Route, ...]
    hidden: tuple[str, ...]
    """Response headers of the application that the proxy removes."""

    websockets: bool
    keeps_connections: bool
    """Whether the server keeps connections from the proxy open."""

    keepalive: int
    """Idle connections to the server that the proxy keeps."""

    keepalive_time: int
    keepalive_timeout: int
    connect_timeout: int


@dataclass(frozen=True)
class Dropped:
    """A setting that an orchestrator's files do not carry."""

    key: str
    """The setting: `nginx.rate_limit`."""

    reason: str
    """Why, and what to do instead."""


@dataclass(frozen=True)
class Workload:
    """An application."""

    name: str
    description: str
    app_dir: str
    """Directory of the code in which all processes run; `.` is the code itself."""

    variables: Mapping[str, str]
    """Environment variables of all processes."""

    secrets: tuple[Secret, ...]
    """Environment variables that come from secrets."""

    files: tuple[ConfigFile, ...]
    secret_files: tuple[Secret, ...]
    """Files that only the operator can write: those of needs."""

    server: Serving
    """The server. Its files lie in `server_files`."""

    instances: int
    restart: Restart
    limits: Limits
    hooks: tuple[str, ...]
    """Shell scripts that run once per release, in this order, before the server starts."""

    hooks_timeout: int
    """Seconds that each of them may take."""

    seeds: tuple[str, ...]
    """Shell scripts that fill kept directories, before the hooks and the server."""

    workers: tuple[Process, ...]
    timers: tuple[Scheduled, ...]
    kept: tuple[str, ...]
    """Directories that outlive releases, relative to `shared`; with `seeds`, also the one of their
    notes."""

    sqlite: tuple[str, ...]
    """Variables that name an SQLite database."""

    needs: Mapping[str, str]
    """What it needs besides itself: need -> service."""

    health: Health
    web: Web
    network: Network
    sandbox: Sandbox
    drain: int
    """Seconds for which a replaced process still gets requests."""

    one_at_a_time: bool
    """Whether the old process stops before the new one starts."""

    uid: int
    """User and group of all processes in containers."""

    port: int
    """Port of the server, where it listens on one."""

    dropped: tuple[Dropped, ...] = ()
    """Settings that no orchestrator's files carry."""

    @property
    def root(self) -> str:
        """Directory of the application in its image; the same as on a host."""
        return f"/srv/{self.name}"

    @property
    def directory(self) -> str:
        """The release's code in its image."""
        return f"{self.root}/current/app"

    @property
    def work_directory(self) -> str:
        """Directory in which all processes start."""
        return self.directory if self.app_dir == "." else f"{self.directory}/{self.app_dir}"

    @property
    def shared(self) -> str:
        """Directory of what outlives releases. The code's kept directories are links into it."""
        return f"{self.root}/shared"

    @property
    def home(self) -> str:
        """Home directory of the processes. It is empty at their start."""
        return f"{self.shared}/home"

    @property
    def server_files(self) -> str:
        """Directory of the server's own configuration files."""
        return SERVER_FILES

    @property
    def served(self) -> tuple[Route, ...]:
        """Routes to files that the image contains."""
        return tuple(route for route in self.web.routes if route.kind in IN_IMAGE)


NOTES = ".groundcrew"
"""Directory in `shared` of the notes on which directories have been filled."""

SERVER_FILES = "/etc/groundcrew/server"
IN_IMAGE = ("page", "asset", "static")
"""Kinds of files that the image contains."""

UID = 10001
PORT = 8000
SOCKET = "/run/groundcrew/app/app.sock"
"""Socket of a server that shares a directory with its proxy."""
