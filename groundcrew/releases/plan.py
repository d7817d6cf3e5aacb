"""Everything that makes up one release, computed before any host is changed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Protocol

from groundcrew.entries import Entry, File
from groundcrew.facts.apps import AppState
from groundcrew.manifest import generated, unit
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.serving import Place, Serving
from groundcrew.releases import environment
from groundcrew.releases.bundle import Bundle
from groundcrew.releases.frontend import FrontendBuild
from groundcrew.releases.requirements import Requirements
from groundcrew.releases.target import Target

# One timestamp for the whole run, so that a release has the same name on every host.
STARTED = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


# A requirement that is a path or refers to another file.
_LOCAL = re.compile(
    r"\s*(\.{0,2}/|-(r|c|e|f|-requirement|-constraint|-editable|-find-links)\b|file:|\S+ *@ *file:)"
)


def _key(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


class ServerProcess(Protocol):
    """What a server role (gunicorn, ...) provides for the process that serves a release."""

    @property
    def requirements(self) -> str:
        """Hash-pinned requirements of the server itself."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Names of the packages required directly, without their dependencies."""

    def files(self, paths: AppPaths, release: str) -> Mapping[str, str]:
        """Configuration files, by path inside the release's directory."""

    def unit(self, paths: AppPaths, release: str, app: AppSettings, instance: int) -> str:
        """Text of the systemd unit of one instance of the release."""

    def container(self, app: AppSettings, place: Place) -> Serving:
        """The same process in a container. Raises NotInContainersError."""


@dataclass(frozen=True)
class Toolchain:
    """The tools and limits of builds; set by the python role."""

    uv: str
    python: str
    environment: Mapping[str, str]
    compile: bool = True
    python_mirror: str | None = None
    """Mirror from which uv downloads interpreters; None = the publisher."""

    keep_cache: bool = True
    """Whether downloads are kept for the next build."""

    declared: tuple[str, ...] = ()
    """Debian packages that the host needs for other reasons than builds."""

    build_limits: Mapping[str, str] = field(default_factory=dict)
    """systemd directives that limit a build's resources."""


@dataclass(frozen=True)
class ReleasePlan:
    """One application at one version with its settings. Equal plans have equal digests."""

    paths: AppPaths
    app: AppSettings
    bundle: Bundle
    requirements: Requirements
    server: ServerProcess
    variables: Mapping[str, str]
    toolchain: Toolchain
    drain: int
    """Seconds that nginx may keep using connections to a replaced release."""

    build_secrets: Mapping[str, str] = field(default_factory=dict)
    """Secrets that only the build gets, by variable."""

    credentials: Mapping[str, str] = field(default_factory=dict)
    """Secrets that the application gets in files of systemd (`as_file`), by name."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Texts of the configuration files, by path in the application's directory."""

    on_other_hosts: frozenset[str] = frozenset()
    """Workers and timers that another host runs on behalf of all."""

    frontend: FrontendBuild | None = None
    """The front end, if the host builds it."""

    requires_python: str | None = None
    """The source's `requires-python`."""

    again: bool = False
    """Whether it is released even if a rollback has left it before."""

    renew: bool = False
    """Whether the host gets a new release even if one with this plan's digest is live: its logins
    have changed."""

    version: Mapping[str, str] = field(default_factory=dict)
    """Variables (part of `toolchain.environment`) that tell the build the source's version."""

    def __repr__(self) -> str:
        """Omits fields that contain secrets."""
        return f"ReleasePlan({self.paths.name!r}, {self.digest[:12]!r})"

    @property
    def target(self) -> Target:
        """The application on a host."""
        return Target(self.paths, self.app, self.drain, on_other_hosts=self.on_other_hosts)

    @cached_property
    def digest(self) -> str:
        """Digest of the code and of every setting that is part of a release."""
        # The digest must not depend on which host runs the single workers.
        entries = self._entries("RELEASE", self.app)
        parts = {
            "bundle": self.bundle.digest,
            "requirements": self.requirements.text,
            "files": {item.path: item.data.decode() for item in entries if isinstance(item, File)},
            "hooks": self.app.hooks.model_dump(),
            "shared": self.app.kept,
            "static": self.app.static.path if self.app.static else None,
            "python": self.app.python or self.toolchain.python,
            **self._only_if_used(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _only_if_used(self) -> dict[str, Any]:
        """Parts that most applications do not use. Omitted if empty, so that those digests do not
        change."""
        export = self.requirements.export
        parts = {
            "export": asdict(export) if export else None,
            "install": self.requirements.install,
            "exclude_newer": self.app.exclude_newer,
            "build_apt": self.app.build_apt,
            "frontend": self.frontend.key if self.frontend else None,
            "served": self._served(),
            "version": dict(self.version),
            "app_dir": self.app.app_dir if self.app.app_dir != "." else None,
            # Credentials do not change what is fetched: only the names count.
            "build_secrets": sorted(self.build_secrets),
        }
        return {key: value for key, value in parts.items() if value}

    def _served(self) -> list[Any]:
        """The settings that determine how a front end's files are published; empty without one."""
        frontend = self.app.frontend
        if frontend is None:
            return []
        paths = (self.app.root + frontend.url, frontend.asset_urls)
        return [frontend.built, paths, frontend.precompress]

    @cached_property
    def environment_key(self) -> str:
        """Digest of the virtualenv's inputs. Releases with the same digest share a virtualenv."""
        export = self.requirements.export
        parts = {
            "requirements": [self.requirements.text, self.requirements.hashed],
            "export": asdict(export) if export else None,
            "source": self.bundle.digest if self.needs_source else None,
            "python": [self.app.python, self.toolchain.python],
            "exclude_newer": self.app.exclude_newer,
            "build_apt": self.app.build_apt,
            "install": self.requirements.install is not None,
            "compile": self.toolchain.compile,
            "hooks": self._in_app_dir(self.app.hooks.environment),
        }
        return _key(parts)

    @property
    def needs_source(self) -> bool:
        """Whether the virtualenv needs the source: for its requirements or for its hooks."""
        lines = self.requirements.text.splitlines()
        local = any(_LOCAL.match(line) for line in lines)
        return local or self.requirements.export is not None or bool(self.app.hooks.environment)

    @cached_property
    def source_key(self) -> str | None:
        """Digest of a source that is installed into the virtualenv, which is then not shared with
        other sources; None if it is not installed."""
        if self.requirements.install is None:
            return None
        return _key(
            [self.bundle.digest, self.frontend.key if self.frontend else None, dict(self.version)]
        )

    @cached_property
    def code_key(self) -> str:
        """Digest of the code's inputs. Releases with the same digest share their code."""
        hooks = self.app.hooks.build
        parts = {
            "environment": [self.environment_key, self.source_key],
            "bundle": self.bundle.digest,
            "frontend": self.frontend.key if self.frontend else None,
            "hooks": self._in_app_dir([hooks, self.hook_variables, dict(self.version)])
            if hooks
            else None,
            "shared": self.app.kept,
            "directories": self.directories,
            **({"seeds": self.app.seeds} if self.app.seeds else {}),
        }
        return _key(parts)

    def _in_app_dir(self, hooks: Any) -> Any:
        """The key of hooks, including the directory in which they run if it is not the source's
        root."""
        return [hooks, self.app.app_dir] if hooks and self.app.app_dir != "." else hooks

    @property
    def hook_variables(self) -> dict[str, str]:
        """The application's environment as build hooks see it: without secrets."""
        return environment.values(self.app.env, {})

    @property
    def directories(self) -> list[str]:
        """Directories in the application's directory that contain configuration files."""
        return sorted({str(PurePosixPath(path).parent) for path in self.files if "/" in path})

    def is_taken_back(self, state: AppState) -> str | None:
        """The release with this plan's digest that an operator left by a rollback. None if there is
        none, if it is live again, or if `again` asks for it."""
        if self.again or self.renew or state["live"] is None:
            return None
        names = [name for name in state["taken_back"] if name.endswith(f"-{self.digest[:12]}")]
        return None if state["live"] in names else max(names, default=None)

    def is_of(self, release: str) -> bool:
        """Whether the release is this plan's."""
        return release.endswith(f"-{self.digest[:12]}")

    def release_id(self, state: AppState) -> str:
        """The name of the release that the host should run: the existing one with this plan's
        digest, or a new one. If a rollback has left this plan's release, the live one."""
        suffix = f"-{self.digest[:12]}"
        if self.renew:
            return f"{STARTED}{suffix}"
        if self.is_taken_back(state):
            return str(state["live"])
        built = [
            name
            for name, release in state["releases"].items()
            if name.endswith(suffix) and release["built"]
        ]
        if state["live"] in built:
            return str(state["live"])
        return max(built, default=f"{STARTED}{suffix}")

    def entries(self, release: str) -> list[Entry]:
        """The release's files other than code: environment, server configuration, units."""
        parts = {
            kind: {name: part for name, part in members.items() if name not in self.on_other_hosts}
            for kind, members in (("workers", self.app.workers), ("timers", self.app.timers))
        }
        return self._entries(release, self.app.model_copy(update=parts))

    def _entries(self, release: str, app: AppSettings) -> list[Entry]:
        folder = self.paths.release(release)
        group = self.paths.user
        return [
            self._secret(f"{folder}/env", environment.render(self.variables), mode="0600"),
            *(
                self._secret(f"{folder}/{unit.credential(name)}", value, mode="0600")
                for name, value in sorted(self.credentials.items())
            ),
            *(
                self._secret(
                    f"{folder}/app/{path}",
                    text,
                    mode=self.app.files[path].mode if path in self.app.files else "0640",
                    group=group,
                    within=folder,
                )
                for path, text in self.files.items()
            ),
            *(
                File(f"{folder}/{name}", text, mode="0640", group=group)
                for name, text in self.server.files(self.paths, release).items()
            ),
            *(
                File(
                    self.paths.unit_file(release, instance),
                    self.server.unit(self.paths, release, app, instance),
                )
                for instance in range(1, app.instances + 1)
            ),
            *(
                File(f"/etc/systemd/system/{name}", text)
                for units in (unit.worker_units, unit.timer_units, unit.hooks_units)
                for name, text in units(self.paths, release, app).items()
            ),
        ]

    def _secret(self, path: str, text: str, **options: Any) -> File:
        """A file with secrets. The host fills in those that it has generated itself."""
        known = (*generated.values(self.paths, self.app), *self.app.bound.generated)
        used = tuple(item for item in known if item.token in text)
        return File(path, text, secret=True, generated=used, **options)
