"""Finds an application's requirements in its source."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from groundcrew.apps.model import AppSettings
from groundcrew.apps.source import PypiSource
from groundcrew.releases import pyproject
from groundcrew.releases.bundle import Bundle, SourceError, names, read_member
from groundcrew.releases.plan import ServerProcess
from groundcrew.releases.requirements import Export, Requirements, combine, decode

FOUND_BY_THEMSELVES = ("uv.lock", "requirements.txt", "pyproject.toml")
"""Looked for in this order where the manifest names none."""


def requirements(
    app: AppSettings, bundle: Bundle, server: ServerProcess, project: Path
) -> Requirements:
    """Everything that the virtualenv of a release holds.

    Raises SourceError, or UnicodeDecodeError for a requirements file that is no text.
    """
    path = _path(app, bundle)
    found = _combined(app, bundle, server, project, path)
    if not app.install:
        return found
    folder = _folder(path)
    if not {_beside(folder, name) for name in ("pyproject.toml", "setup.py")} & names(bundle):
        raise SourceError(f"{bundle.label} has no pyproject.toml in {folder}, needed by `install`")
    return Requirements(found.text, found.hashed, found.export, folder)


def requires_python(app: AppSettings, bundle: Bundle) -> str | None:
    """The versions of Python that the source says it runs with."""
    path = _beside(_folder(_path(app, bundle)), "pyproject.toml")
    if path not in names(bundle):
        return None
    return pyproject.parse(path, read_member(bundle, path)).requires_python


def _path(app: AppSettings, bundle: Bundle) -> str | None:
    """The file in the source that names the requirements."""
    if app.lock or bundle.wheel or app.requirements is False:
        return None
    if app.requirements:
        return str(PurePosixPath(app.requirements))
    for name in FOUND_BY_THEMSELVES:
        if name in names(bundle) and (
            name != "pyproject.toml" or pyproject.parse(name, read_member(bundle, name)).declared
        ):
            return name
    return None


def _combined(
    app: AppSettings, bundle: Bundle, server: ServerProcess, project: Path, path: str | None
) -> Requirements:
    own = ""
    if app.lock:
        own = decode((project / Path(app.lock).expanduser()).read_bytes())
    elif isinstance(app.source, PypiSource):
        own = f"{app.source.pypi}=={app.source.version}\n"
    if bundle.wheel:
        # Without a lock nobody knows the hashes of what the wheel itself needs.
        checksum = f" --hash=sha256:{bundle.sha256}" if app.lock else ""
        own += f"./{bundle.wheel}{_extras(app)}{checksum}\n"
    folder = _folder(path)
    kind = PurePosixPath(path).name if path else None
    if kind == "uv.lock":
        project_file = _beside(folder, "pyproject.toml")
        if {path, project_file} - names(bundle):
            raise SourceError(f"{bundle.label} has no {path} with a pyproject.toml beside it")
        export = Export(folder, app.extras, server.requirements, server.packages)
        return Requirements("", hashed=False, export=export)
    if path and kind == "pyproject.toml":
        described = pyproject.parse(path, read_member(bundle, path))
        if described.dynamic and app.install:
            own = f"./{folder}{_extras(app)}\n"
        else:
            own = "".join(f"{line}\n" for line in described.dependencies(app.extras))
    elif path:
        own = decode(read_member(bundle, path))
    if app.extras and kind != "pyproject.toml" and not bundle.wheel:
        raise SourceError("extras are those of a pyproject.toml, a uv.lock or a wheel")
    inside = "app/" if folder == "." else f"app/{folder}/"
    return combine(own, server.requirements, wanted=server.packages, folder=inside if path else "")


def _extras(app: AppSettings) -> str:
    return f"[{','.join(app.extras)}]" if app.extras else ""


def _folder(path: str | None) -> str:
    return str(PurePosixPath(path).parent) if path else "."


def _beside(folder: str, name: str) -> str:
    return str(PurePosixPath(folder) / name)
