"""An application as its manifest describes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from groundcrew.apps import development, urls
from groundcrew.apps.config_file import ConfigFile
from groundcrew.apps.development import Checkout
from groundcrew.apps.frontend import Frontend
from groundcrew.apps.media import Media
from groundcrew.apps.restart import Restart
from groundcrew.apps.rules import rules_for
from groundcrew.apps.secret import SecretSource
from groundcrew.apps.server import GunicornServer, Server
from groundcrew.apps.site import Site
from groundcrew.apps.source import Source
from groundcrew.apps.tls import HSTS, Tls
from groundcrew.apps.types import (
    Day,
    DebianPackage,
    Domain,
    EnvName,
    EnvValue,
    Extra,
    Network,
    PartName,
    RelativePath,
    Size,
    UrlPath,
)
from groundcrew.model import Settings


class Health(Settings):
    """How a new release proves that it works before it gets a request."""

    path: UrlPath = "/"
    """Path that is requested on the release's own socket."""

    status: int = Field(200, ge=100, le=599)
    """Status that counts as healthy."""

    timeout: int = Field(60, ge=1)
    """Seconds until the first healthy answer; after that the release has failed."""

    interval: float = Field(0.25, gt=0)
    """Seconds between two attempts."""

    request_timeout: float = Field(5, gt=0)
    """Seconds that one attempt may take."""

    successes: int = Field(2, ge=1)
    """Healthy answers in a row that are needed."""


class Hooks(Settings):
    """Shell commands of the application's own, run in the release's directory with its virtualenv
    first in PATH and its environment set."""

    build: tuple[str, ...] = ()
    """While building, as the build user, without secrets (e.g. compiling assets)."""

    release: tuple[str, ...] = ()
    """Once per release before its first start, as the application's user (e.g. migrations)."""

    timeout: int = Field(600, ge=1)
    """Seconds that one command may take."""


class Limits(Settings):
    """Resource limits of the application's unit, in systemd's own terms."""

    memory_max: Size | None = None
    """MemoryMax: above it the application is killed and restarted."""

    memory_high: Size | None = None
    """MemoryHigh: above it the application is slowed down and reclaimed from."""

    memory_low: Size | None = None
    """MemoryLow: below it memory is taken from others first, while they have any."""

    cpu_quota: Annotated[str, StringConstraints(pattern=r"^[0-9]+%$")] | None = None
    """CPUQuota: 200% = two CPUs."""

    cpu_weight: int | None = Field(None, ge=1, le=10000)
    """CPUWeight: share of a busy CPU beside others, who have 100 unless they say otherwise."""

    io_weight: int | None = Field(None, ge=1, le=10000)
    """IOWeight: share of a busy disk, likewise."""

    tasks_max: int | None = Field(512, ge=1)
    """TasksMax: processes and threads together."""

    open_files: int = Field(65536, ge=1024)
    """LimitNOFILE: open files and sockets."""


class Worker(Settings):
    """A background process that follows the release: started after the switch, and the old one
    may finish what it does."""

    command: Annotated[str, StringConstraints(min_length=1)]
    """Command line, run in the release's directory with its virtualenv first in PATH."""

    instances: int = Field(1, ge=1, le=64)
    """Processes; each has its number, from 1, in WORKER_INSTANCE."""

    stop_timeout: int = Field(60, ge=1)
    """Seconds that it gets after SIGTERM to finish its job; then it is killed."""

    restart: Restart = Restart()
    """When it is started again."""

    single: bool = False
    """One process over all hosts, where only one may write: on the first host of the inventory that
    has the application, and not before the one of the release before has ended."""

    limits: Limits = Limits()
    """Resource limits of each instance."""

    @model_validator(mode="after")
    def _single_is_one(self) -> Worker:
        if self.single and self.instances != 1:
            raise ValueError(f"single: true is one process, instances says {self.instances}")
        return self


class Timer(Settings):
    """A command that runs by the clock and follows the release."""

    command: Annotated[str, StringConstraints(min_length=1)]
    """Command line, run in the release's directory with its virtualenv first in PATH."""

    schedule: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*:/,.~ _-]+$")]
    """When, as systemd's OnCalendar: `daily`, `*-*-* 01:00`, `*:0/15`."""

    timeout: int = Field(3600, ge=1)
    """Seconds after which a run is stopped."""

    single: bool = False
    """Runs on one host only: on the first of the inventory that has the application, and one run at
    a time, also over releases. Otherwise it runs on each host."""

    limits: Limits = Limits()
    """Resource limits of a run."""


class Rollout(Settings):
    """How a release goes over several hosts."""

    canary: bool = True
    """One host goes first and must succeed."""

    batch: (
        Annotated[int, Field(ge=1)]
        | Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?|100)%$")]
    ) = "25%"
    """Hosts that switch at the same time, as a number or a percentage."""

    go_back: bool = True
    """When a host fails, hosts that have switched in the same run go back to what they had."""


class Release(Settings):
    """How releases are kept and replaced."""

    strategy: Literal["switch", "restart"] = "switch"
    """`switch`: the new release runs beside the old one before it gets requests; needs memory for
    both. `restart`: the old one stops first, requests wait in a socket that systemd holds."""

    check_window: int = Field(5, ge=0)
    """Seconds after the switch in which the health path must stay healthy through nginx; else the
    old release is switched back to."""

    keep: int = Field(5, ge=1)
    """Releases kept on the host, the live one included."""

    drain: int | None = Field(None, ge=0)
    """Seconds that the replaced release keeps running; default: a little longer than nginx may
    keep using a connection to it."""


class Static(Settings):
    """Files of a release that nginx serves itself."""

    path: RelativePath
    """Directory in the release, from the source or made by a build hook (`collectstatic`)."""

    url: Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._-]+/)+$")] = "/static/"
    """Where they are served."""

    assets_grace: int = Field(604800, ge=0)
    """Seconds that the files of a replaced release stay reachable, for pages that browsers have
    open."""


class Maintenance(Settings):
    """What visitors get while `playbooks/maintenance.py` has switched maintenance on."""

    page: str | None = None
    """HTML file on the operator's machine, relative to the project directory; default: a plain
    page. Styles and images must be in the file itself; scripts are not run."""

    retry_after: int = Field(300, ge=1)
    """Seconds after which clients should try again (Retry-After)."""

    allow: tuple[Network, ...] = ()
    """Addresses and networks of clients that get the application all the same."""


class Check(Settings):
    """A request through nginx that must succeed for the host to be verified."""

    path: UrlPath
    """Path that is requested."""

    status: int = Field(200, ge=100, le=599)
    """Expected status."""

    contains: str | None = None
    """Text that the body must contain."""

    headers: dict[str, str] = Field(default_factory=dict)
    """Headers that the answer must carry, with exactly these values."""


class AppSettings(Settings):
    """An application: `apps/NAME.yml`."""

    description: str = ""
    """One line for people."""

    source: Source
    """Where the code comes from: a block with `directory`, `git`, `pypi`, `file` or `url`, and the
    other keys of that kind."""

    entry: str | None = Field(None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(\(\))?$")
    """The WSGI or ASGI callable: `package.module:name`, or `package.module:factory()`. Required
    unless the server is a `command`."""

    requirements: RelativePath | Literal[False] | None = Field(None, union_mode="left_to_right")
    """File inside the source that names what it needs: a requirements file, `pyproject.toml` (its
    `project.dependencies`) or `uv.lock` (exported as locked). Default: the first that is there of
    `uv.lock`, `requirements.txt` and `pyproject.toml`; false = none of them."""

    lock: str | None = None
    """Requirements file on the operator's machine, relative to the project directory; for sources
    that bring none. Where every line has a hash, hashes are required."""

    extras: tuple[Extra, ...] = ()
    """Optional dependencies of the `pyproject.toml`, the `uv.lock` or the wheel to install too."""

    install: bool = False
    """Whether the source is a package that is installed into the virtualenv, as one with a `src`
    directory needs."""

    exclude_newer: Day | None = None
    """Day (`2026-11-01`) after which nothing was published that is installed, in UTC; for
    requirements that are not pinned. The server that is added keeps its pin."""

    python: Annotated[str, StringConstraints(pattern=r"^3\.[0-9]+(\.[0-9]+)?$")] | None = None
    """Version of Python: the host's where it fits, else one that uv fetches (`"3.12"`). Default:
    `python.interpreter` of the host."""

    apt: tuple[DebianPackage, ...] = ()
    """Debian packages that the application needs."""

    build_apt: tuple[DebianPackage, ...] = ()
    """Debian packages that only its build needs (`[gcc, libpq-dev]`): installed before a build, and
    removed after it unless something else needs them."""

    domains: tuple[Domain, ...] = ()
    """Host names that it answers to. None: every name on its port. Applications that share a name
    need the same names, and a `prefix` each."""

    port: int = Field(80, ge=1, le=65535)
    """Port on which nginx listens for it."""

    prefix: Annotated[str, StringConstraints(pattern=r"^(/|(/[A-Za-z0-9._~-]+)+)$")] = "/"
    """Path below which it answers (`/shop`), so that several applications share their domains. The
    application gets whole paths, and its SCRIPT_NAME or root_path is this prefix. All other paths
    of the manifest (`health.path`, `static.url`, `nginx.locations`, ...) are relative to it."""

    tls: Tls | None = None
    """HTTPS, with a certificate for its domains. What every site that people use should have;
    default: plain HTTP."""

    server: Server = GunicornServer()
    """The server process: `type: gunicorn`, the default, `uvicorn`, `uwsgi` or `command`, with the
    keys of that kind."""

    instances: int = Field(1, ge=1, le=64)
    """How often the server runs, each with workers, a socket and a systemd unit of its own; nginx
    spreads the requests over them, and where one is down, the others get them. `limits` are those
    of each. With more than one, each has its number, from 1, in the variable INSTANCE."""

    restart: Restart = Restart()
    """When the server is started again."""

    mode: Literal["production", "development"] = "production"
    """`development`: one instance of the server with one worker, which loads changed code by itself
    and logs at level debug. For one run and back: `--data app.NAME.mode=development`. Variables
    such as ENVIRONMENT stay what `env` says. Refused on hosts in the inventory's group `prod`."""

    force_development: bool = False
    """Whether development mode is allowed on hosts in group `prod` too."""

    checkout: Checkout | None = None
    """Directory on the host that development mode runs instead of the release's own copy of the
    code (which only root can change): the application's user must be able to read it, and sees it,
    read-only, where the release's code would be. `shared` directories are not linked into it."""

    env: dict[EnvName, EnvValue] = Field(default_factory=dict)
    """Environment variables. Lists and mappings are passed as JSON."""

    secrets: dict[EnvName, SecretSource] = Field(default_factory=dict)
    """Environment variables whose values must not be written down here."""

    files: dict[RelativePath, ConfigFile] = Field(default_factory=dict)
    """Configuration files by their path in the release, rendered from templates with env and
    secrets; one of the source at the same path is replaced."""

    required: tuple[EnvName, ...] = ()
    """Variables that must be set by `env` or `secrets`."""

    shared: tuple[RelativePath, ...] = ()
    """Directories that outlive releases: kept in /srv/NAME/shared and linked into each release at
    the same path."""

    health: Health = Health()
    """The probe that a release must pass."""

    hooks: Hooks = Hooks()
    """The application's own steps."""

    workers: dict[PartName, Worker] = Field(default_factory=dict)
    """Background processes by name."""

    timers: dict[PartName, Timer] = Field(default_factory=dict)
    """Scheduled commands by name."""

    size: Literal["auto", "small", "medium", "large"] | None = None
    """Derives the number of processes and a memory limit, where nothing else is said, from one
    table (docs/sizing.md); `auto` chooses by the host's memory. Default: processes by the CPUs
    alone, no limit."""

    rollout: Rollout = Rollout()
    """Going over several hosts."""

    limits: Limits = Limits()
    """Resource limits."""

    release: Release = Release()
    """Keeping and replacing releases."""

    nginx: Site = Site()
    """The web server's part."""

    maintenance: Maintenance = Maintenance()
    """What visitors get during maintenance."""

    static: Static | None = None
    """Files that nginx serves without asking the application."""

    frontend: Frontend | None = None
    """A front end that is built with the release and served by nginx."""

    media: Media | None = None
    """Uploaded files that nginx serves."""

    checks: tuple[Check, ...] = ()
    """Requests through nginx besides the health path that verify makes."""

    network: Literal["any", "local"] | tuple[Network, ...] = "local"
    """What its processes may exchange packets with: `local` = this host only, `any`, or a list of
    networks (`10.0.0.0/8`, `192.0.2.7`) besides this host. nginx is not affected: it reaches the
    application over a Unix socket."""

    sandbox: dict[str, str | Literal[False]] = Field(default_factory=dict)
    """systemd directives that replace the unit's sandboxing defaults, e.g.
    `MemoryDenyWriteExecute: "no"`; false leaves one out."""

    @property
    def headers(self) -> dict[str, str | None]:
        """The response headers that its settings bring: `nginx.headers`, and what HTTPS adds."""
        own: dict[str, str | None] = {**self.nginx.headers}
        said = {name.lower() for name in own}
        if self.tls and self.tls.hsts and HSTS.lower() not in said:
            own[HSTS] = self.tls.hsts.value
        return own

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports on which nginx listens for it."""
        return (self.port, self.tls.port) if self.tls else (self.port,)

    @property
    def single_parts(self) -> frozenset[str]:
        """Names of the workers and timers that run on one host only."""
        parts: dict[str, Worker | Timer] = {**self.workers, **self.timers}
        return frozenset(name for name, part in parts.items() if part.single)

    @model_validator(mode="before")
    @classmethod
    def _development_is_one_process(cls, data: Any) -> Any:
        return development.single(data)

    @model_validator(mode="after")
    def _the_mode_allows_it(self) -> AppSettings:
        problem = development.problem(self.mode, self.server.type, self.checkout, self.env)
        if problem:
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _certificates_are_for_names(self) -> AppSettings:
        if self.tls is None:
            return self
        if not self.domains:
            raise ValueError("tls needs domains: certificates are for names")
        if self.tls.port == self.port:
            raise ValueError(f"tls.port: {self.port} is the port for redirects (port) too")
        certificate = self.tls.certificate
        wild = [domain for domain in self.domains if domain.startswith("*.")]
        if certificate.type == "acme" and certificate.dns is None and wild:
            raise ValueError(f'tls.certificate.dns is required for "{wild[0]}"')
        return self

    @model_validator(mode="after")
    def _a_command_has_its_own_socket(self) -> AppSettings:
        if self.server.type == "command" and self.release.strategy == "restart":
            raise ValueError(
                "`type: command` needs `release.strategy: switch`: with `restart` systemd holds "
                "the socket"
            )
        return self

    @model_validator(mode="after")
    def _instances_have_sockets_of_their_own(self) -> AppSettings:
        if self.instances > 1 and self.release.strategy == "restart":
            raise ValueError(
                f"{self.instances} instances need `release.strategy: switch`: with `restart` "
                "systemd holds one socket"
            )
        return self

    @model_validator(mode="after")
    def _parts_have_names_of_their_own(self) -> AppSettings:
        both = sorted(self.workers.keys() & self.timers.keys())
        if both:
            raise ValueError(f'"{both[0]}" is the name of a worker and of a timer')
        return self

    @property
    def root(self) -> str:
        """What every path of it begins with: the prefix, or nothing."""
        return self.prefix.rstrip("/")

    @property
    def kept(self) -> tuple[str, ...]:
        """Directories that outlive releases."""
        media = (self.media.path,) if self.media else ()
        return tuple(dict.fromkeys((*self.shared, *media)))

    @model_validator(mode="after")
    def _files_belong_to_the_release(self) -> AppSettings:
        for path in self.files:
            for other in self.kept:
                if f"{path}/".startswith(f"{other}/"):
                    raise ValueError(f"files: {path} lies in shared/{other}, which no release owns")
        return self

    @model_validator(mode="after")
    def _paths_have_one_answer(self) -> AppSettings:
        for clash in urls.clashes(self):
            raise ValueError(clash)
        return self

    @model_validator(mode="after")
    def _health_is_the_applications_own(self) -> AppSettings:
        path = self.health.path
        kind = urls.kind_of(self, path)
        if kind in ("page", "asset"):
            raise ValueError(
                f"the front end answers {path}, so that health.path would say nothing about the "
                "application: add it to frontend.api"
            )
        rules = rules_for(path, self.nginx.locations).values
        if kind != "application" or rules.deny or rules.return_:
            raise ValueError(
                f"nginx answers {path} by itself, so that health.path would say nothing about the "
                "application"
            )
        return self
