"""Computes what an application's release is made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

from pydantic import SecretStr

from groundcrew.apps import config_render
from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from groundcrew.apps.source import PypiSource
from groundcrew.releases import environment
from groundcrew.releases.bundle import Bundle, SourceError, pack, read_member
from groundcrew.releases.plan import ReleasePlan, ServerProcess, Toolchain
from groundcrew.releases.requirements import Requirements, combine, decode
from groundcrew.settings.errors import Problem, SettingsError

CACHE = ".groundcrew"


class Server(ServerProcess, Protocol):
    """A server process that also says which of its requirements it asks for itself."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Names of those requirements."""


def plan(
    name: str,
    app: AppSettings,
    *,
    secrets: Mapping[str, SecretStr],
    server: Server,
    toolchain: Toolchain,
    drain: int,
    project: Path,
    elsewhere: frozenset[str] = frozenset(),
) -> ReleasePlan:
    """The release of `app` as the operator's machine has it now; another host runs the workers and
    timers that are `elsewhere`.

    Raises SettingsError where its source or requirements cannot be read.
    """
    try:
        bundle = pack(app.source, project, project / CACHE)
        requirements = _requirements(app, bundle, server, project)
    except SourceError as error:
        raise _error(name, "source", str(error)) from None
    except UnicodeDecodeError:
        text = "the requirements are not text in UTF-8 or UTF-16"
        raise _error(name, "lock" if app.lock else "requirements", text) from None
    return ReleasePlan(
        paths=AppPaths(name),
        app=app,
        bundle=bundle,
        requirements=requirements,
        server=server,
        variables=environment.values(app.env, secrets),
        toolchain=toolchain,
        drain=drain,
        files=_files(name, app, secrets, project),
        elsewhere=elsewhere,
    )


def _error(name: str, key: str, message: str) -> SettingsError:
    return SettingsError([Problem(f"app.{name}.{key}", f"apps/{name}.yml", message)])


def _requirements(app: AppSettings, bundle: Bundle, server: Server, project: Path) -> Requirements:
    own, folder = "", ""
    if app.lock:
        own = decode((project / Path(app.lock).expanduser()).read_bytes())
    elif isinstance(app.source, PypiSource):
        own = f"{app.source.pypi}=={app.source.version}\n"
    elif app.requirements:
        own = decode(read_member(bundle, app.requirements))
        parent = str(PurePosixPath(app.requirements).parent)
        folder = "app/" if parent == "." else f"app/{parent}/"
    return combine(own, server.requirements, wanted=server.packages, folder=folder)


def _files(
    name: str, app: AppSettings, secrets: Mapping[str, SecretStr], project: Path
) -> dict[str, str]:
    """The configuration files' texts."""
    known = {key: value.get_secret_value() for key, value in secrets.items()}
    values = config_render.context(name, app, known)
    try:
        return {
            path: config_render.render(project / Path(file.template).expanduser(), values)
            for path, file in app.files.items()
        }
    except config_render.ConfigFileError as error:
        raise _error(name, "files", str(error)) from None
