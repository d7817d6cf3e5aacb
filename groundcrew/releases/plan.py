"""Everything that makes up one release, computed before anything is touched."""

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

from groundcrew.apps import generated, unit
from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from groundcrew.entries import Entry, File
from groundcrew.facts.apps import AppState
from groundcrew.releases import environment
from groundcrew.releases.bundle import Bundle
from groundcrew.releases.frontend import FrontendBuild
from groundcrew.releases.requirements import Requirements
from groundcrew.releases.target import Target

# One moment for the whole run, so that a release has the same name on every host.
STARTED = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


# A requirement that is a path, or that is read from another file.
_LOCAL = re.compile(
    r"\s*(\.{0,2}/|-(r|c|e|f|-requirement|-constraint|-editable|-find-links)\b|file:|\S+ *@ *file:)"
)


def _key(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


class ServerProcess(Protocol):
    """What a server role (gunicorn, ...) says about the process that serves a release."""

    @property
    def requirements(self) -> str:
        """Hash-pinned requirements of the server itself."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Names of those that are wanted themselves, not what they depend on."""

    def files(self, paths: AppPaths, release: str) -> Mapping[str, str]:
        """Configuration files, by path inside the release's directory."""

    def unit(self, paths: AppPaths, release: str, app: AppSettings, instance: int) -> str:
        """Text of the systemd unit of one instance of the release."""


@dataclass(frozen=True)
class Toolchain:
    """What builds run with; set by the python role."""

    uv: str
    python: str
    environment: Mapping[str, str]
    compile: bool = True
    python_mirror: str | None = None
    """Where uv fetches interpreters; None = their publisher."""

    keep_cache: bool = True
    """Whether downloads are kept for the next build."""

    declared: tuple[str, ...] = ()
    """Debian packages that the host has for other reasons than builds."""

    limits: Mapping[str, str] = field(default_factory=dict)
    """systemd directives: what a build may use of the host."""


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
    """Seconds that nginx may go on using connections to a replaced release."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Texts of the configuration files, by path in the application's directory."""

    elsewhere: frozenset[str] = frozenset()
    """Workers and timers that another host runs for all."""

    frontend: FrontendBuild | None = None
    """The front end, where the host builds it."""

    requires_python: str | None = None
    """Versions of Python that the source says it runs with."""

    again: bool = False
    """Whether it is released even if a rollback has left it."""

    version: Mapping[str, str] = field(default_factory=dict)
    """Variables of the build (`toolchain.environment`) that tell it the source's version."""

    def __repr__(self) -> str:
        """Leaves variables and files out: they hold secrets."""
        return f"ReleasePlan({self.paths.name!r}, {self.digest[:12]!r})"

    @property
    def target(self) -> Target:
        """The application on a host."""
        return Target(self.paths, self.app, self.drain, elsewhere=self.elsewhere)

    @cached_property
    def digest(self) -> str:
        """Names the code and every setting that a release carries."""
        # The same on every host, wherever its single workers run.
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
        """What most applications do not have: it leaves their digests alone."""
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
        }
        return {key: value for key, value in parts.items() if value}

    def _served(self) -> list[Any]:
        """What a front end's files are published by; nothing without one."""
        frontend = self.app.frontend
        if frontend is None:
            return []
        paths = (self.app.root + frontend.url, frontend.asset_urls)
        return [frontend.built, paths, frontend.precompress]

    @cached_property
    def environment_key(self) -> str:
        """Names what the virtualenv is made of: releases that agree in it share one."""
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
        """Whether the requirements, or the commands that complete the virtualenv, are found in the
        source."""
        lines = self.requirements.text.splitlines()
        local = any(_LOCAL.match(line) for line in lines)
        return local or self.requirements.export is not None or bool(self.app.hooks.environment)

    @cached_property
    def source_key(self) -> str | None:
        """Names the source where it is installed into the virtualenv, which is then its own."""
        if self.requirements.install is None:
            return None
        return _key(
            [self.bundle.digest, self.frontend.key if self.frontend else None, dict(self.version)]
        )

    @cached_property
    def code_key(self) -> str:
        """Names what the code is made of: releases that agree in it share one."""
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
        }
        return _key(parts)

    def _in_app_dir(self, hooks: Any) -> Any:
        """What names hooks, with the directory in which they run where it is not the source's."""
        return [hooks, self.app.app_dir] if hooks and self.app.app_dir != "." else hooks

    @property
    def hook_variables(self) -> dict[str, str]:
        """What build hooks see of the application's environment: no secrets."""
        return environment.values(self.app.env, {})

    @property
    def directories(self) -> list[str]:
        """Directories of the application that configuration files are written to."""
        return sorted({str(PurePosixPath(path).parent) for path in self.files if "/" in path})

    def is_taken_back(self, state: AppState) -> str | None:
        """The release by that an operator has left what this plan describes, where it was left by a
        rollback and nobody has asked for it again."""
        if self.again or state["live"] is None:
            return None
        names = [name for name in state["taken_back"] if name.endswith(f"-{self.digest[:12]}")]
        return None if state["live"] in names else max(names, default=None)

    def is_of(self, release: str) -> bool:
        """Whether the release is this plan's."""
        return release.endswith(f"-{self.digest[:12]}")

    def release_id(self, state: AppState) -> str:
        """The release that a host is to have: one that is there already, or a new one; what serves,
        where this plan's was taken back."""
        suffix = f"-{self.digest[:12]}"
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
        """Files of the release that are not code: environment, server configuration, units."""
        parts = {
            kind: {name: part for name, part in found.items() if name not in self.elsewhere}
            for kind, found in (("workers", self.app.workers), ("timers", self.app.timers))
        }
        return self._entries(release, self.app.model_copy(update=parts))

    def _entries(self, release: str, app: AppSettings) -> list[Entry]:
        folder = self.paths.release(release)
        group = self.paths.user
        return [
            self._secret(f"{folder}/env", environment.render(self.variables), mode="0600"),
            *(
                self._secret(
                    f"{folder}/app/{path}",
                    text,
                    mode=self.app.files[path].mode,
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
        """A file with secrets, in which the host puts those that it has made up."""
        found = tuple(item for item in generated.values(self.paths, self.app) if item.token in text)
        return File(path, text, secret=True, generated=found, **options)
