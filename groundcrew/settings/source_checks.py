"""What a manifest says of its source must be there, and fit together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from groundcrew.apps.model import AppSettings
from groundcrew.apps.source import DirectorySource, FileSource, GitSource, PypiSource, UrlSource

Found = tuple[tuple[str, ...], str]
"""A key below the application's, and what is wrong with it."""


def problems(app: AppSettings, project: Path) -> Iterator[Found]:
    """Everything that can be seen without reading the source."""
    yield from _missing(app, project)
    if app.requirements and app.lock:
        yield ("lock",), "give either requirements or lock"
    package = _package(app)
    if package and app.requirements:
        yield ("requirements",), f"{package} brings no requirements file; use lock"
    if package and app.install:
        yield ("install",), f"{package} is installed as it is"
    if isinstance(app.source, PypiSource) and app.extras:
        yield ("extras",), f"write {app.source.pypi}[{','.join(app.extras)}] in source.pypi"


def _package(app: AppSettings) -> str | None:
    """What is installed without a source tree."""
    match app.source:
        case PypiSource():
            return "a package from an index"
        case FileSource(file=name) | UrlSource(url=name) if name.endswith(".whl"):
            return "a wheel"
    return None


def _missing(app: AppSettings, project: Path) -> Iterator[Found]:
    match app.source:
        case DirectorySource(directory=name):
            directory = project / Path(name).expanduser()
            if not directory.is_dir():
                yield ("source", "directory"), f"no directory {directory}"
            elif app.requirements and not (directory / app.requirements).is_file():
                yield ("requirements",), f"no file {directory / app.requirements}"
        case FileSource(file=name):
            yield from _no_file(("source", "file"), name, project)
        case GitSource(deploy_key=str(name)):
            yield from _no_file(("source", "deploy_key"), name, project)
    if app.lock:
        yield from _no_file(("lock",), app.lock, project)


def _no_file(key: tuple[str, ...], name: str, project: Path) -> Iterator[Found]:
    path = project / Path(name).expanduser()
    if not path.is_file():
        yield key, f"no file {path}"
