"""An application as its manifest describes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from groundcrew.apps import development, urls
from groundcrew.apps.background import Timer, Worker
from groundcrew.apps.check import Check
from groundcrew.apps.config_file import ConfigFile
from groundcrew.apps.development import Checkout
from groundcrew.apps.frontend import Frontend
from groundcrew.apps.health import Health
from groundcrew.apps.hooks import Hooks
from groundcrew.apps.maintenance import Maintenance
from groundcrew.apps.media import Media
from groundcrew.apps.names import entry_point
from groundcrew.apps.private import Private
from groundcrew.apps.release import Release, Rollout
from groundcrew.apps.resources import Limits
from groundcrew.apps.restart import Restart
from groundcrew.apps.rules import rules_for
from groundcrew.apps.secret import SecretSource
from groundcrew.apps.server import GunicornServer, Server
from groundcrew.apps.site import Site
from groundcrew.apps.source import Source
from groundcrew.apps.static import Static
from groundcrew.apps.tls import HSTS, Tls
from groundcrew.apps.types import (
    Day,
    DebianPackage,
    Directive,
    DirectiveName,
    Domain,
    EnvName,
    EnvValue,
    Extra,
    Network,
    OneLine,
    PartName,
    RelativePath,
)
from groundcrew.model import Settings

HOOKS_PART = "release-hooks"
"""Part of the unit's name that release hooks run as; no worker and no timer has it."""


class AppSettings(Settings):
    """An application: `apps/NAME.yml`."""

    description: OneLine = ""
    """One line for people."""

    source: Source
    """Where the code comes from: a block with `directory`, `git`, `pypi`, `file` or `url`, and the
    other keys of that kind."""

    entry: Annotated[str | None, BeforeValidator(entry_point)] = Field(
        None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(\(\))?$"
    )
    """The WSGI or ASGI callable: `package.module:name`, or `package.module:factory()`. Required
    unless the server is a `command`."""

    app_dir: RelativePath = "."
    """Directory of the source in which the server, workers, timers and hooks run, and from which
    `entry` is imported: `backend`, where a front end lies beside it. All other paths
    (`requirements`, `static.path`, ...) are relative to the source."""

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
    """Debian packages that only its build needs (`[gcc, libc6-dev, python3-dev]`): installed before
    a build, and removed after it, but for what something else needs and for libraries that the
    result is linked with."""

    adopt: bool = False
    """Whether users and groups of the host that are named like the application's, and that a run
    would not have made so, are taken over: they get its home and no shell, their password is
    locked, and their other groups are taken away. Files stay where they are. Otherwise such a host
    is refused before anything is changed."""

    domains: tuple[Domain, ...] = ()
    """Host names that it answers to. None: every name on its port. Applications that share a name
    need the same names, and a `prefix` each."""

    redirects: dict[Domain, Domain] = Field(default_factory=dict)
    """Host names that only lead to another one of `domains` (`www.example.org: example.org`): 308,
    with path and query, over HTTP and, with `tls`, over HTTPS, whose certificate is for them too.
    Applications that share their domains need the same ones."""

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

    private: Private | None = None
    """Files that nginx sends when the application says so (X-Accel-Redirect)."""

    checks: tuple[Check, ...] = ()
    """Requests through nginx besides the health path that verify makes."""

    network: Literal["any", "local"] | tuple[Network, ...] = "local"
    """What its processes may exchange packets with: `local` = this host only, `any`, or a list of
    networks (`10.0.0.0/8`, `192.0.2.7`) besides this host. nginx is not affected: it reaches the
    application over a Unix socket."""

    sandbox: dict[DirectiveName, Directive | Literal[False]] = Field(default_factory=dict)
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
    def scheme(self) -> Literal["http", "https"]:
        """How visitors ask for it: over HTTPS with `tls`, or by way of a balancer that ends TLS."""
        return "https" if self.tls or self.nginx.forwarded_proto == "https" else "http"

    @property
    def names(self) -> tuple[str, ...]:
        """The host names that it answers to, with those that only lead to another one."""
        return (*self.domains, *self.redirects)

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
        wild = [name for name in self.names if name.startswith("*.")]
        if certificate.type == "acme" and certificate.dns is None and wild:
            raise ValueError(f'tls.certificate.dns is required for "{wild[0]}"')
        return self

    @model_validator(mode="after")
    def _redirects_lead_to_domains(self) -> AppSettings:
        for name, target in self.redirects.items():
            if name in self.domains:
                raise ValueError(f'redirects: "{name}" is among domains: take it out there')
            if target not in self.domains or target.startswith("*."):
                raise ValueError(
                    f'redirects: "{name}" leads to "{target}", which is none of domains: give one '
                    "of those"
                )
        return self

    @model_validator(mode="after")
    def _one_place_ends_tls(self) -> AppSettings:
        if self.tls and self.nginx.forwarded_proto:
            raise ValueError(
                "nginx.forwarded_proto is for a balancer that ends TLS, and with tls nginx does: "
                "leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _private_files_are_not_public(self) -> AppSettings:
        if self.private and self.media:
            mine, theirs = f"{self.private.path}/", f"{self.media.path}/"
            if mine.startswith(theirs) or theirs.startswith(mine):
                raise ValueError(
                    f"private.path {self.private.path} and media.path {self.media.path} lie in "
                    "each other: everybody can read what is in media"
                )
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
        if HOOKS_PART in {*self.workers, *self.timers}:
            raise ValueError(
                f'"{HOOKS_PART}" is the unit of the release hooks: choose another name for the '
                "worker or timer"
            )
        return self

    @property
    def root(self) -> str:
        """What every path of it begins with: the prefix, or nothing."""
        return self.prefix.rstrip("/")

    @property
    def kept(self) -> tuple[str, ...]:
        """Directories that outlive releases."""
        return tuple(dict.fromkeys((*self.shared, *self.sent)))

    @property
    def sent(self) -> tuple[str, ...]:
        """Those of them that nginx may read."""
        return tuple(item.path for item in (self.media, self.private) if item)

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
