"""Settings of an application, as its manifest has them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, StringConstraints, model_validator

from groundcrew.manifest import development, urls
from groundcrew.manifest.background import Timer, Worker
from groundcrew.manifest.backup import Backup
from groundcrew.manifest.bound import Bound
from groundcrew.manifest.check import Check
from groundcrew.manifest.config_file import ConfigFile
from groundcrew.manifest.development import Checkout
from groundcrew.manifest.frontend import Frontend
from groundcrew.manifest.health import Health
from groundcrew.manifest.hooks import Hooks
from groundcrew.manifest.load import Load
from groundcrew.manifest.maintenance import Maintenance
from groundcrew.manifest.media import Media
from groundcrew.manifest.names import entry_point
from groundcrew.manifest.need import Needs
from groundcrew.manifest.private import Private
from groundcrew.manifest.release import Release, Rollout
from groundcrew.manifest.resources import Limits
from groundcrew.manifest.restart import Restart
from groundcrew.manifest.rules import rules_for
from groundcrew.manifest.secret import OperatorSecret, SecretSource
from groundcrew.manifest.server import GunicornServer, Server
from groundcrew.manifest.site import Site
from groundcrew.manifest.slo import Slo
from groundcrew.manifest.source import Source
from groundcrew.manifest.static import Static
from groundcrew.manifest.tls import HSTS, Tls
from groundcrew.manifest.types import (
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
from groundcrew.model import Settings, WrongValueError

HOOKS_PART = "release-hooks"
"""Part of the name of the unit that runs release hooks. No worker or timer may have this name."""


class AppSettings(Settings):
    """An application: `apps/NAME.yml`."""

    description: OneLine = ""
    """One line that describes the application to people."""

    source: Source
    """Where the code comes from: a block with one of the keys `directory`, `git`, `pypi`, `file`
    and `url`, and the other keys of that kind."""

    entry: Annotated[str | None, BeforeValidator(entry_point)] = Field(
        None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(\(\))?$"
    )
    """The WSGI or ASGI callable: `package.module:name`, or `package.module:factory()` for a
    function that returns it. Required unless the server is a `command`."""

    app_dir: RelativePath = "."
    """Directory in the source in which the server, workers, timers and hooks run and from which
    `entry` is imported; for example `backend`, if a front end lies beside it. All other paths
    (`requirements`, `static.path`, ...) are relative to the source."""

    requirements: RelativePath | Literal[False] | None = Field(None, union_mode="left_to_right")
    """File in the source that lists the packages to install: a requirements file, `pyproject.toml`
    (its `project.dependencies`) or `uv.lock` (exported as locked). null: the first of `uv.lock`,
    `requirements.txt` and `pyproject.toml` that exists; false: none of them."""

    lock: str | None = None
    """Requirements file on the operator's machine, relative to the project directory, for a source
    that has none. If every line has a hash, hashes are required."""

    extras: tuple[Extra, ...] = ()
    """Optional dependencies of the `pyproject.toml`, the `uv.lock` or the wheel that are installed
    too."""

    install: bool = False
    """Whether the source itself is installed into the virtualenv as a package, which a `src`
    directory needs."""

    exclude_newer: Day | None = None
    """Day (`2026-11-01`, in UTC): packages that were published later are not installed. For
    requirements that are not pinned; the server that groundcrew adds keeps its pinned version."""

    python: Annotated[str, StringConstraints(pattern=r"^3\.[0-9]+(\.[0-9]+)?$")] | None = None
    """Version of Python (`"3.12"`). The host's Python is used if it has this version; otherwise uv
    fetches one. null: `python.interpreter` of the host."""

    apt: tuple[DebianPackage, ...] = ()
    """Debian packages that the application needs."""

    build_apt: tuple[DebianPackage, ...] = ()
    """Debian packages that only the build needs (`[gcc, libc6-dev, python3-dev]`). They are
    installed before a build and removed after it, except packages that something else needs and
    libraries that the result is linked with."""

    adopt: bool = False
    """Whether the run takes over existing users and groups that have the application's names but
    that no run has made. Such a user gets the application's home and no shell, its password is
    locked, and it leaves its other groups; its files stay where they are. With false, the run
    refuses such a host before it changes anything."""

    domains: tuple[Domain, ...] = ()
    """Host names that the application answers to. Empty: every name on its port. Applications that
    share a name must have the same `domains`, and each its own `prefix`."""

    redirects: dict[Domain, Domain] = Field(default_factory=dict)
    """Host names that only redirect to one of `domains` (`www.example.org: example.org`): with
    status 308, keeping path and query, over HTTP and, with `tls`, over HTTPS, where the certificate
    covers them too. Applications that share their domains must have the same redirects."""

    port: int = Field(80, ge=1, le=65535)
    """Port on which nginx serves the application over HTTP; with `tls` it redirects to HTTPS."""

    prefix: Annotated[str, StringConstraints(pattern=r"^(/|(/[A-Za-z0-9._~-]+)+)$")] = "/"
    """Path below which the application answers (`/shop`), so that several applications can share
    their domains. The application gets the whole path, and this prefix as SCRIPT_NAME or root_path.
    All other paths of the manifest (`health.path`, `static.url`, `nginx.locations`, ...) are
    relative to it."""

    tls: Tls | None = None
    """HTTPS, with a certificate for `domains`. Every public site should have it. null: plain
    HTTP."""

    server: Server = GunicornServer()
    """The server process: `type: gunicorn` (the default), `uvicorn`, `uwsgi` or `command`, with the
    keys of that type."""

    instances: int = Field(1, ge=1, le=64)
    """Number of times that the server runs. Each instance has its own workers, socket and systemd
    unit, and `limits` apply to each. nginx spreads the requests over all instances; if one is down,
    the others answer. With more than one, each has its number, from 1, in the variable INSTANCE."""

    restart: Restart = Restart()
    """How systemd restarts the server."""

    mode: Literal["production", "development"] = "production"
    """`development` runs one instance of the server with one worker, which reloads changed code by
    itself and logs at level debug. For a single run: `--data app.NAME.mode=development`. It does
    not change variables such as ENVIRONMENT, which `env` sets. It is refused on hosts in the
    inventory's group `prod`."""

    force_development: bool = False
    """Whether development mode is also allowed on hosts in the group `prod`."""

    checkout: Checkout | None = None
    """Directory on the host that development mode runs instead of the release's own copy of the
    code, which only root can change. The application's user must be able to read it, and sees it,
    read-only, in place of the release's code. `shared` directories are not linked into it."""

    env: dict[EnvName, EnvValue] = Field(default_factory=dict)
    """Environment variables of the application. Lists and mappings are passed as JSON."""

    secrets: dict[EnvName, SecretSource] = Field(default_factory=dict)
    """Environment variables whose values must not be written into the manifest. Each says where its
    value comes from."""

    build_secrets: dict[EnvName, OperatorSecret] = Field(default_factory=dict)
    """Environment variables that only the build gets, such as the password of a private package
    index or registry. Everything that a build runs can read them, including what packages run when
    they are installed. A changed value does not cause a new build."""

    needs: Needs = Field(default_factory=dict)
    """Databases, caches and queues that the application needs, by names of your choice (`{database:
    postgresql, cache: redis.cache}`). groundcrew sets up user, password, database, packet filter
    and start order. `env` of each need sets the variables that the application gets."""

    files: dict[RelativePath, ConfigFile] = Field(default_factory=dict)
    """Configuration files by their path in the release, rendered from templates with `env` and
    `secrets`. A file of the source at the same path is replaced."""

    required: tuple[EnvName, ...] = ()
    """Variables that `env` or `secrets` must set."""

    shared: tuple[RelativePath, ...] = ()
    """Directories that outlive releases: each is kept in /srv/NAME/shared and linked into every
    release at the same path."""

    seeds: dict[RelativePath, RelativePath] = Field(default_factory=dict)
    """Initial content of directories that outlive releases: directory of `shared` -> directory of
    the source, which may have the same name (`{data: data}`). The files are copied once, before the
    first start, if the directory on the host is empty. Existing files are never replaced. The time
    that this takes counts towards `health.timeout`."""

    health: Health = Health()
    """The probe that a release must pass."""

    hooks: Hooks = Hooks()
    """Shell commands at the steps of a release."""

    workers: dict[PartName, Worker] = Field(default_factory=dict)
    """Background processes by name."""

    timers: dict[PartName, Timer] = Field(default_factory=dict)
    """Scheduled commands by name."""

    size: Literal["auto", "small", "medium", "large"] | None = None
    """Size that sets the number of processes and a memory limit where the manifest does not, from
    one table (docs/sizing.md); `auto` chooses by the host's memory. null: processes by the number
    of CPUs alone, no memory limit."""

    rollout: Rollout = Rollout()
    """How a release is rolled out to several hosts."""

    limits: Limits = Limits()
    """Resource limits of each instance."""

    release: Release = Release()
    """How releases are kept and replaced."""

    nginx: Site = Site()
    """What nginx does for this application."""

    maintenance: Maintenance = Maintenance()
    """What visitors get during maintenance."""

    static: Static | None = None
    """Files that nginx serves without asking the application."""

    frontend: Frontend | None = None
    """A front end that is built with the release and served by nginx."""

    media: Media | None = None
    """Uploaded files that nginx serves."""

    private: Private | None = None
    """Files that nginx sends when the application tells it to (X-Accel-Redirect)."""

    checks: tuple[Check, ...] = ()
    """Requests besides the health path that must succeed: on a new release before and after it goes
    live, and in verify."""

    backup: Backup = Backup()
    """What backups contain, on hosts that are backed up (`backup.targets`)."""

    load: Load = Load()
    """What a load test sends, and what it expects."""

    slo: Slo = Slo()
    """Service levels that visitors can expect; alerts fire if they are missed."""

    network: Literal["any", "local"] | tuple[Network, ...] = "local"
    """What the application's processes may exchange packets with: `local` (this host only), `any`,
    or a list of networks (`10.0.0.0/8`, `192.0.2.7`) besides this host. nginx is not affected: it
    reaches the application over a Unix socket."""

    sandbox: dict[DirectiveName, Directive | Literal[False]] = Field(default_factory=dict)
    """systemd directives that replace the unit's sandboxing defaults, for example
    `MemoryDenyWriteExecute: "no"`; false leaves a directive out."""

    _bound: Bound = PrivateAttr(default_factory=Bound)

    @property
    def bound(self) -> Bound:
        """What the application gets of its needs on this host."""
        return self._bound

    def with_bound(self, bound: Bound) -> Self:
        """These settings, with what the application gets of its needs."""
        copy = self.model_copy()
        copy._bound = bound
        return copy

    @property
    def headers(self) -> dict[str, str | None]:
        """Response headers that the manifest sets: `nginx.headers`, and HSTS with `tls`."""
        own: dict[str, str | None] = {**self.nginx.headers}
        said = {name.lower() for name in own}
        if self.tls and self.tls.hsts and HSTS.lower() not in said:
            own[HSTS] = self.tls.hsts.value
        return own

    @property
    def scheme(self) -> Literal["http", "https"]:
        """Scheme that visitors use: `https` with `tls`, or behind a balancer that ends TLS."""
        return "https" if self.tls or self.nginx.forwarded_proto == "https" else "http"

    @property
    def names(self) -> tuple[str, ...]:
        """All host names of the application, including those that only redirect."""
        return (*self.domains, *self.redirects)

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that nginx listens on for the application."""
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
            raise WrongValueError(*problem)
        return self

    @model_validator(mode="after")
    def _certificates_are_for_names(self) -> AppSettings:
        if self.tls is None:
            return self
        if not self.domains:
            raise WrongValueError("domains", "tls needs them: certificates are for names")
        if self.tls.port == self.port:
            raise WrongValueError("tls.port", f"{self.port} is the port for redirects (port) too")
        certificate = self.tls.certificate
        wild = [name for name in self.names if name.startswith("*.")]
        if certificate.type == "acme" and certificate.dns is None and wild:
            raise WrongValueError("tls.certificate.dns", f'is required for "{wild[0]}"')
        return self

    @model_validator(mode="after")
    def _redirects_lead_to_domains(self) -> AppSettings:
        for name, target in self.redirects.items():
            if name in self.domains:
                raise WrongValueError(
                    ("redirects", name), f'"{name}" is among domains: take it out there'
                )
            if target not in self.domains or target.startswith("*."):
                raise WrongValueError(
                    ("redirects", name),
                    f'leads to "{target}", which is not in domains: give one of those',
                )
        return self

    @model_validator(mode="after")
    def _one_place_ends_tls(self) -> AppSettings:
        if self.tls and self.nginx.forwarded_proto:
            raise WrongValueError(
                "nginx.forwarded_proto",
                "is for a balancer that ends TLS; with tls, nginx ends it: leave one of them out",
            )
        return self

    @model_validator(mode="after")
    def _private_files_are_not_public(self) -> AppSettings:
        if self.private and self.media:
            mine, theirs = f"{self.private.path}/", f"{self.media.path}/"
            if mine.startswith(theirs) or theirs.startswith(mine):
                raise WrongValueError(
                    "private.path",
                    f"one of {self.private.path} and media.path {self.media.path} lies in the "
                    "other: everybody can read what is in media",
                )
        return self

    @model_validator(mode="after")
    def _a_command_has_its_own_socket(self) -> AppSettings:
        if self.server.type == "command" and self.release.strategy == "restart":
            raise WrongValueError(
                "release.strategy",
                "`type: command` needs `switch`: with `restart` systemd holds the socket",
            )
        return self

    @model_validator(mode="after")
    def _instances_have_sockets_of_their_own(self) -> AppSettings:
        if self.instances > 1 and self.release.strategy == "restart":
            raise WrongValueError(
                "release.strategy",
                f"{self.instances} instances need `switch`: with `restart` systemd holds one "
                "socket",
            )
        return self

    @model_validator(mode="after")
    def _parts_have_names_of_their_own(self) -> AppSettings:
        both = sorted(self.workers.keys() & self.timers.keys())
        if both:
            raise WrongValueError(
                ("timers", both[0]), "a worker has this name too: choose another one"
            )
        if HOOKS_PART in {*self.workers, *self.timers}:
            raise WrongValueError(
                ("workers" if HOOKS_PART in self.workers else "timers", HOOKS_PART),
                "is the name of the release hooks' unit: choose another one",
            )
        return self

    @property
    def root(self) -> str:
        """Common beginning of all paths: the prefix without a slash at its end, empty for `/`."""
        return self.prefix.rstrip("/")

    @property
    def kept(self) -> tuple[str, ...]:
        """Directories that are kept across releases."""
        return tuple(dict.fromkeys((*self.shared, *self.sent)))

    @property
    def emptied(self) -> tuple[str, ...]:
        """Kept directories for which the source must contain no files, since a release would hide
        them."""
        return tuple(path for path in self.kept if self.seeds.get(path) != path)

    @property
    def sent(self) -> tuple[str, ...]:
        """Kept directories that nginx may read."""
        return tuple(item.path for item in (self.media, self.private) if item)

    @model_validator(mode="after")
    def _files_belong_to_the_release(self) -> AppSettings:
        for path in self.files:
            for other in self.kept:
                if f"{path}/".startswith(f"{other}/"):
                    raise WrongValueError(
                        ("files", path), f"lies in shared/{other}, which no release owns"
                    )
        return self

    @model_validator(mode="after")
    def _each_value_has_one_source(self) -> AppSettings:
        set_by: dict[str, str] = dict.fromkeys(self.env, "env") | dict.fromkeys(
            self.secrets, "secrets"
        )
        for secret in (name for name, item in self.secrets.items() if item.as_file):
            key = f"{secret}_FILE"
            if key in set_by:
                raise WrongValueError(
                    ("secrets", secret, "as_file"), f"sets {key}, which is set by {set_by[key]} too"
                )
            set_by[key] = "secrets (as_file)"
        written = dict.fromkeys(self.files, "files")
        for name, need in self.needs.items():
            for key in need.variables(name):
                if key in set_by:
                    raise WrongValueError(
                        ("needs", name, "env"), f"{key} is set by {set_by[key]} too"
                    )
                set_by[key] = f"needs.{name}"
            for path in need.files:
                if path in written:
                    raise WrongValueError(
                        ("needs", name, "files", path), f"{written[path]} writes this file too"
                    )
                written[path] = f"needs.{name}"
        return self

    @model_validator(mode="after")
    def _seeds_are_for_what_is_kept(self) -> AppSettings:
        for path, seed in self.seeds.items():
            if path not in self.kept:
                raise WrongValueError(
                    ("seeds", path), "is no directory that outlives releases; add it to shared"
                )
            if seed == ".":
                raise WrongValueError(
                    ("seeds", path), "name a directory of the source, not all of it"
                )
            inside = [item for item in self.kept if f"{seed}/".startswith(f"{item}/")]
            if inside and seed != path:
                raise WrongValueError(
                    ("seeds", path),
                    f"{seed} lies in {inside[0]}, which outlives releases: name a directory that "
                    "the source brings",
                )
        return self

    @model_validator(mode="after")
    def _paths_have_one_answer(self) -> AppSettings:
        for key, problem in urls.clashes(self):
            raise WrongValueError(key, problem)
        return self

    @model_validator(mode="after")
    def _health_is_the_applications_own(self) -> AppSettings:
        path = self.health.path
        kind = urls.kind_of(self, path)
        if kind in ("page", "asset"):
            raise WrongValueError(
                "health.path",
                f"the front end answers {path}, which would say nothing about the application: "
                "add it to frontend.api",
            )
        rules = rules_for(path, self.nginx.locations).values
        if kind != "application" or rules.deny or rules.return_:
            raise WrongValueError(
                "health.path",
                f"nginx answers {path} by itself, which would say nothing about the application",
            )
        return self
