"""Finds an application's requirements in its source."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.source import PypiSource
from groundcrew.releases import pyproject, version
from groundcrew.releases.bundle import Bundle, SourceError, names, read_member, replaced
from groundcrew.releases.included import Files
from groundcrew.releases.plan import ServerProcess
from groundcrew.releases.requirements import Export, Requirements, combine
from groundcrew.remote.requirements import requirement_name

FOUND_BY_THEMSELVES = ("uv.lock", "requirements.txt", "pyproject.toml")
"""Searched in this order if the manifest names no file."""
_NAMED = re.compile(
    r"requirements(?![^/]*(?:dev|test|doc|lint|ci\b))[^/]*\.(?:txt|in)"
    r"|requirements/(?![^/]*(?:dev|test|doc|lint|ci\b))[^/]+\.txt"
)
"""File names that look like requirements of the application."""
WORKER = "uvicorn-worker"
WORKER_NEEDS = {"uvicorn": (0, 36), "gunicorn": (21,)}
"""Minimum versions for gunicorn's ASGI worker class."""
OTHER_TOOLS = {
    "poetry.lock": pyproject.POETRY,
    "Pipfile": "`pipenv requirements --hash > requirements.txt` writes a file that is read here",
    "Pipfile.lock": "`pipenv requirements --hash > requirements.txt` writes a file that is read "
    "here",
    "environment.yml": "write what pip can install of it to requirements.txt",
    "setup.py": "set `install: true`, so that the package is installed with what it needs",
    "setup.cfg": "set `install: true`, so that the package is installed with what it needs",
}
"""Files in which other tools declare requirements, each with advice for the operator."""


def requirements(
    app: AppSettings, bundle: Bundle, server: ServerProcess, project: Path
) -> Requirements:
    """All requirements of a release's virtualenv.

    Raises SourceError, or UnicodeDecodeError for a requirements file that is not text.
    """
    path = _path(app, bundle)
    if path is None:
        _refuse_other_tools(app, bundle)
    collected = _combined(app, bundle, server, project, path)
    if not app.install:
        return collected
    folder = _folder(path)
    if not {_beside(folder, name) for name in ("pyproject.toml", "setup.py")} & names(bundle):
        raise SourceError(f"{bundle.label} has no pyproject.toml in {folder}, needed by `install`")
    return Requirements(collected.text, collected.hashed, collected.export, folder)


def readable(app: AppSettings, bundle: Bundle, store: Path) -> Bundle:
    """The source with its constraints files rewritten where uv could not read them."""
    path = _path(app, bundle)
    if path is None or PurePosixPath(path).name in ("uv.lock", "pyproject.toml"):
        return bundle
    files = _files(bundle)
    list(files.lines(path))
    return replaced(bundle, files.rewritten, store)


def check_seeds(app: AppSettings, bundle: Bundle) -> None:
    """Raises SourceError if the source lacks a directory named in `seeds`."""
    paths = [PurePosixPath(name) for name in names(bundle)]
    for seed in app.seeds.values():
        if PurePosixPath(seed) in paths:
            raise SourceError(f"{seed} is a file of {bundle.label}: name its directory", "seeds")
        if not any(path.is_relative_to(seed) for path in paths):
            raise SourceError(f"{bundle.label} has no files in {seed}", "seeds")


def requires_python(app: AppSettings, bundle: Bundle) -> str | None:
    """The source's `requires-python`."""
    described = _described(app, bundle)
    return described.requires_python if described else None


def version_variables(app: AppSettings, bundle: Bundle) -> dict[str, str]:
    """Variables that tell the build the source's version, if the version comes from git.

    Raises SourceError if the version cannot be determined.
    """
    described = _described(app, bundle)
    if described is None or not version.tools(described):
        return {}
    known = version.version(bundle.described) if bundle.described else None
    if known:
        return version.variables(described, known)
    folder = str(PurePosixPath(described.path).parent)
    beside = [PurePosixPath(name).name for name in names(bundle)
              if str(PurePosixPath(name).parent) == folder]  # fmt: skip
    if app.install and not version.knows_itself(described, beside):
        told = f"{bundle.described.rsplit('-', 2)[0]} is no version" if bundle.described else (
            f"{bundle.label} is no git repository"
        )  # fmt: skip
        raise SourceError(
            f"{described.path} has its version from git ({version.tools(described)[0]}), and "
            f"{told}: take a source with a tag such as v1.2.0, or give it a fallback version",
            "install",
        )
    return {}


def _described(app: AppSettings, bundle: Bundle) -> pyproject.Project | None:
    """The source's `pyproject.toml`, if there is one beside its requirements."""
    path = _beside(_folder(_path(app, bundle)), "pyproject.toml")
    if path not in names(bundle):
        return None
    return pyproject.parse(path, read_member(bundle, path))


def _refuse_other_tools(app: AppSettings, bundle: Bundle) -> None:
    """Raises SourceError if only another tool's files declare requirements. Otherwise the first
    request would be the first to notice that the virtualenv lacks them."""
    if app.requirements is False or app.lock or bundle.wheel or app.install:
        return
    described = _described(app, bundle)
    file = "pyproject.toml" if described and described.of_poetry else None
    file = file or next((name for name in OTHER_TOOLS if _says(bundle, name)), None)
    file = file or min(filter(_NAMED.fullmatch, names(bundle)), default=None)
    if file:
        if _NAMED.fullmatch(file):
            way_out = f"name the file in `requirements` ({file})"
        else:
            way_out = OTHER_TOOLS.get(file, pyproject.POETRY)
        raise SourceError(
            f"no requirements were found, though {file} says what it needs: {way_out}. Where it "
            "needs nothing, say `requirements: false`",
            "requirements",
        )


def _says(bundle: Bundle, name: str) -> bool:
    """Whether a file exists and declares requirements: setup.cfg may contain only tool settings."""
    return name in names(bundle) and (
        name != "setup.cfg" or b"install_requires" in read_member(bundle, name)
    )


def _files(bundle: Bundle) -> Files:
    known = names(bundle)
    folders = {str(parent) for name in known for parent in PurePosixPath(name).parents}
    return Files(
        bundle.label,
        lambda name: read_member(bundle, name),
        known.__contains__,
        folders.__contains__,
    )


def _of_lock(lock: Path) -> str:
    """Requirements from a file on the operator's machine: hosts get its text, but no other
    files."""
    folder = lock.parent
    files = Files(
        str(folder),
        lambda name: (folder / name).read_bytes(),
        lambda name: (folder / name).is_file(),
        lambda name: (folder / name).is_dir(),
        shipped=False,
    )
    return "".join(f"{line}\n" for line in files.lines(lock.name))


def _check_worker(own: dict[str, str], server: ServerProcess) -> None:
    """Raises SourceError if the application pins versions too old for gunicorn's ASGI worker.

    `own` maps names of the application's pins to versions.
    """
    if WORKER not in server.packages or WORKER in own:
        return
    for name, least in WORKER_NEEDS.items():
        pinned = own.get(name)
        if pinned and tuple(int(part) for part in re.findall(r"[0-9]+", pinned)[:2]) < least:
            wanted = ".".join(map(str, least))
            raise SourceError(
                f"{name} {pinned} is pinned, and gunicorn's worker class for ASGI needs {wanted} "
                f"or later: set `server.type: uvicorn`, which takes the application's own, or pin "
                "a later one",
                "server.type",
            )


def _pins(text: str) -> dict[str, str]:
    pins = {}
    for line in text.splitlines():
        name, pin = requirement_name(line), re.match(r"[^;@]+?===?\s*([^\s;,*]+)", line)
        if name and pin:
            pins[name] = pin[1]
    return pins


def _locked(path: str, data: bytes) -> dict[str, str]:
    packages = pyproject.parse(path, data).data.get("package", [])
    return {
        item["name"]: item["version"]
        for item in packages
        if isinstance(item, dict) and {"name", "version"} <= item.keys()
    }


def _path(app: AppSettings, bundle: Bundle) -> str | None:
    """The source's requirements file."""
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
        own = _of_lock(project / Path(app.lock).expanduser())
    elif isinstance(app.source, PypiSource):
        own = f"{app.source.pypi}=={app.source.version}\n"
    if bundle.wheel:
        # Without a lock, the hashes of the wheel's dependencies are unknown.
        checksum = f" --hash=sha256:{bundle.sha256}" if app.lock else ""
        own += f"./{bundle.wheel}{_extras(app)}{checksum}\n"
    folder, unknown = _folder(path), False
    kind = PurePosixPath(path).name if path else None
    if path and kind == "uv.lock":
        project_file = _beside(folder, "pyproject.toml")
        if {path, project_file} - names(bundle):
            raise SourceError(f"{bundle.label} has no {path} with a pyproject.toml beside it")
        _check_worker(_locked(path, read_member(bundle, path)), server)
        export = Export(folder, app.extras, server.requirements, server.packages)
        return Requirements("", hashed=False, export=export)
    if path and kind == "pyproject.toml":
        described = pyproject.parse(path, read_member(bundle, path))
        if app.install and (described.dynamic or described.of_poetry):
            own = f"./{folder}{_extras(app)}\n"
        else:
            own = "".join(f"{line}\n" for line in described.dependencies(app.extras))
    elif path:
        own = "".join(f"{line}\n" for line in _files(bundle).lines(path))
    elif unknown := app.install and app.requirements is None and not app.lock:
        # Its dependencies are only known once it is built.
        own = f"./.{_extras(app)}\n"
    _check_worker(_pins(own), server)
    if app.extras and not (kind == "pyproject.toml" or bundle.wheel or unknown):
        raise SourceError("extras are those of a pyproject.toml, a uv.lock or a wheel")
    return combine(own, server.requirements, wanted=server.packages)


def _extras(app: AppSettings) -> str:
    return f"[{','.join(app.extras)}]" if app.extras else ""


def _folder(path: str | None) -> str:
    return str(PurePosixPath(path).parent) if path else "."


def _beside(folder: str, name: str) -> str:
    return str(PurePosixPath(folder) / name)
