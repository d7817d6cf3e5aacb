"""Checks that the files named by a manifest's source settings exist and that the settings are
consistent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.source import DirectorySource, FileSource, GitSource, PypiSource, UrlSource

FILES = frozenset(
    (
        *(".sqlite3", ".sqlite", ".db", ".db3", ".sql", ".log", ".json", ".yml", ".yaml", ".toml"),
        *(".ini", ".cfg", ".env", ".txt", ".csv", ".xml", ".py", ".pid", ".sock", ".lock", ".key"),
        *(".pem", ".crt", ".pdf", ".zip", ".gz"),
    )
)
"""File names and suffixes that directories hardly ever have."""
Complaint = tuple[tuple[str, ...], str]
"""A key within the application's settings, and what is wrong with it."""


def problems(app: AppSettings, project: Path) -> Iterator[Complaint]:
    """Every problem that can be found without reading the source."""
    yield from _missing(app, project)
    yield from _shared(app, project)
    if app.requirements and app.lock:
        yield ("lock",), "give either requirements or lock"
    package = _package(app)
    if package and app.requirements:
        yield ("requirements",), f"{package} brings no requirements file; use lock"
    if package and app.app_dir != ".":
        yield ("app_dir",), f"{package} brings no source; leave it out"
    if package and app.install:
        yield ("install",), f"{package} is installed as it is"
    if package and isinstance(app.source, (FileSource, UrlSource)) and app.source.exclude:
        yield ("source", "exclude"), f"{package} is installed as it is"
    if isinstance(app.source, PypiSource) and app.extras:
        yield ("extras",), f"write {app.source.pypi}[{','.join(app.extras)}] in source.pypi"


def _shared(app: AppSettings, project: Path) -> Iterator[Complaint]:
    """Directories that outlive releases must be directories, and none may contain another."""
    media = app.media.path if app.media else None
    for path in app.kept:
        key = ("media", "path") if path == media else ("shared",)
        file = PurePosixPath(path)
        if (file.suffix in FILES or file.name in FILES) and not _is_directory(app, path, project):
            folder = "data" if file.parent == PurePosixPath() else str(file.parent)
            wanted = f"media.path: {folder}" if path == media else f"shared: [{folder}]"
            yield (
                key,
                (
                    f"{path} looks like a file, and only directories outlive releases: write "
                    f"`{wanted}`, and keep the file in there ({folder}/{file.name})"
                ),
            )
        around = next((item for item in app.kept if file.is_relative_to(item) and item != path), "")
        if around:
            why = (
                "nginx needs a directory of its own: name one beside it"
                if path == media
                else "leave it out"
            )
            yield key, f"{path} lies in {around}, which outlives releases as a whole; {why}"


def _is_directory(app: AppSettings, path: str, project: Path) -> bool:
    return isinstance(app.source, DirectorySource) and (
        (project / Path(app.source.directory).expanduser() / path).is_dir()
    )


def _package(app: AppSettings) -> str | None:
    """The kind of a source that is installed without a source tree; None for others."""
    match app.source:
        case PypiSource():
            return "a package from an index"
        case FileSource(file=name) | UrlSource(url=name) if name.endswith(".whl"):
            return "a wheel"
    return None


def _missing(app: AppSettings, project: Path) -> Iterator[Complaint]:
    match app.source:
        case DirectorySource(directory=name):
            directory = project / Path(name).expanduser()
            if not directory.is_dir():
                yield ("source", "directory"), f"no directory {directory}"
                return
            if app.requirements and not (directory / app.requirements).is_file():
                yield ("requirements",), f"no file {directory / app.requirements}"
            if not (directory / app.app_dir).is_dir():
                yield ("app_dir",), f"no directory {directory / app.app_dir}"
        case FileSource(file=name):
            yield from _no_file(("source", "file"), name, project)
        case GitSource(deploy_key=str(name)):
            yield from _no_file(("source", "deploy_key"), name, project)
    if app.lock:
        yield from _no_file(("lock",), app.lock, project)


def _no_file(key: tuple[str, ...], name: str, project: Path) -> Iterator[Complaint]:
    path = project / Path(name).expanduser()
    if not path.is_file():
        yield key, f"no file {path}"
