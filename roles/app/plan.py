"""Computes the release plan of an application."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from groundcrew.manifest import config_render
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.releases import collect, environment, frontend
from groundcrew.releases.bundle import Bundle, SourceError, pack
from groundcrew.releases.frontend import FrontendBuild
from groundcrew.releases.placeholders import SharedError
from groundcrew.releases.plan import ReleasePlan, ServerProcess, Toolchain
from groundcrew.remote.interpreter import may_satisfy
from groundcrew.roles.app import node
from groundcrew.settings.errors import Problem, SettingsError

CACHE = ".groundcrew"


def plan(
    name: str,
    app: AppSettings,
    *,
    secrets: Mapping[str, SecretStr],
    build_secrets: Mapping[str, SecretStr],
    server: ServerProcess,
    toolchain: Toolchain,
    drain: int,
    project: Path,
    on_other_hosts: frozenset[str] = frozenset(),
    again: bool = False,
) -> ReleasePlan:
    """The release of `app` from the source that the operator's machine has now.

    Another host runs the workers and timers in `on_other_hosts`. `again` allows a release that a
    rollback has left. Raises SettingsError if the source or the requirements cannot be read.
    """
    try:
        bundle = source(app, project)
    except SourceError as error:
        raise _error(name, _key(app, error, "source"), str(error)) from None
    try:
        bundle, front = _frontend(app, bundle, project)
    except SourceError as error:
        raise _error(name, "frontend", str(error)) from None
    try:
        requirements = collect.requirements(app, bundle, server, project)
        requires_python = collect.requires_python(app, bundle)
        version = collect.version_variables(app, bundle)
        bundle = collect.readable(app, bundle, project / CACHE)
        collect.check_seeds(app, bundle)
    except SourceError as error:
        default = "lock" if app.lock else "requirements" if app.requirements else "source"
        raise _error(name, _key(app, error, default), str(error)) from None
    if app.python and requires_python and not may_satisfy(app.python, requires_python):
        text = f"the source's pyproject.toml requires Python {requires_python}"
        raise _error(name, "python", text)
    in_files = {key for key, item in app.secrets.items() if item.as_file}
    variables = {key: value for key, value in secrets.items() if key not in in_files}
    return ReleasePlan(
        paths=AppPaths(name),
        app=app,
        bundle=bundle,
        requirements=requirements,
        server=server,
        variables={**environment.values(app.env, variables), **app.bound.variables},
        credentials=environment.values({}, {key: secrets[key] for key in in_files & {*secrets}}),
        build_secrets=environment.values({}, build_secrets),
        toolchain=replace(toolchain, environment={**version, **toolchain.environment}),
        drain=drain,
        files=_files(name, app, secrets, project),
        on_other_hosts=on_other_hosts,
        frontend=front,
        requires_python=requires_python,
        again=again,
        version=version,
    )


def source(app: AppSettings, project: Path) -> Bundle:
    """The packed source of an application. Raises SourceError if it cannot be packed."""
    return pack(app.source, project, project / CACHE, app.frontend, app.emptied)


def required_python(app: AppSettings, project: Path) -> str | None:
    """The Python versions that the source declares (`requires-python`). None if there are none, or
    if the source cannot be read, which `plan` reports."""
    with suppress(SourceError):
        return collect.requires_python(app, source(app, project))
    return None


def _key(app: AppSettings, error: SourceError, default: str) -> str:
    """The settings key that an error refers to."""
    if isinstance(error, SharedError) and app.media and app.media.path == error.directory:
        return "media.path"
    return error.key or default


def _frontend(
    app: AppSettings, packed: Bundle, project: Path
) -> tuple[Bundle, FrontendBuild | None]:
    """The source, with the front end if that is built on the operator's machine, and the front-end
    build that is left to the host."""
    settings = app.frontend
    if settings is None:
        return packed, None
    frontend.check(settings, packed)
    if settings.build == "operator":
        return frontend.built(settings, packed, project / CACHE), None
    if settings.build == "none":
        return packed, None
    version, text = node.pinned(settings.node)
    key = frontend.key(settings, packed, version)
    return packed, FrontendBuild(settings, key, text, version)


def _error(name: str, key: str, message: str) -> SettingsError:
    return SettingsError([Problem(f"app.{name}.{key}", f"apps/{name}.yml", message)])


def _files(
    name: str, app: AppSettings, secrets: Mapping[str, SecretStr], project: Path
) -> dict[str, str]:
    """The rendered configuration files: path -> text."""
    known = {key: value.get_secret_value() for key, value in secrets.items()}
    values = config_render.context(name, app, known)
    try:
        rendered = {
            path: config_render.render(project / Path(file.template).expanduser(), values)
            for path, file in app.files.items()
        }
        return {**rendered, **app.bound.files}
    except config_render.ConfigFileError as error:
        raise _error(name, "files", str(error)) from None
