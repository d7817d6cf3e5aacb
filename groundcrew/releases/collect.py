"""Finds an application's requirements in its source."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from groundcrew.apps.model import AppSettings
from groundcrew.apps.source import PypiSource
from groundcrew.releases import pyproject, version
from groundcrew.releases.bundle import Bundle, SourceError, names, read_member, replaced
from groundcrew.releases.included import Files
from groundcrew.releases.plan import ServerProcess
from groundcrew.releases.requirements import Export, Requirements, combine
from groundcrew.remote.requirements import requirement_name

FOUND_BY_THEMSELVES = ("uv.lock", "requirements.txt", "pyproject.toml")
"""Looked for in this order where the manifest names none."""
_NAMED = re.compile(
    r"requirements(?![^/]*(?:dev|test|doc|lint|ci\b))[^/]*\.(?:txt|in)"
    r"|requirements/(?![^/]*(?:dev|test|doc|lint|ci\b))[^/]+\.txt"
)
"""Files that look as if they were meant."""
WORKER = "uvicorn-worker"
WORKER_NEEDS = {"uvicorn": (0, 36), "gunicorn": (21,)}
"""Versions that gunicorn's worker class for ASGI needs at least."""
OTHER_TOOLS = {
    "poetry.lock": pyproject.POETRY,
    "Pipfile": "`pipenv requirements --hash > requirements.txt` writes a file that is read here",
    "Pipfile.lock": "`pipenv requirements --hash > requirements.txt` writes a file that is read "
    "here",
    "environment.yml": "write what pip can install of it to requirements.txt",
    "setup.py": "set `install: true`, so that the package is installed with what it needs",
    "setup.cfg": "set `install: true`, so that the package is installed with what it needs",
}
"""Files that say what a project needs to other tools, and the way out."""


def requirements(
    app: AppSettings, bundle: Bundle, server: ServerProcess, project: Path
) -> Requirements:
    """Everything that the virtualenv of a release holds.

    Raises SourceError, or UnicodeDecodeError for a requirements file that is no text.
    """
    path = _path(app, bundle)
    if path is None:
        _refuse_other_tools(app, bundle)
    found = _combined(app, bundle, server, project, path)
    if not app.install:
        return found
    folder = _folder(path)
    if not {_beside(folder, name) for name in ("pyproject.toml", "setup.py")} & names(bundle):
        raise SourceError(f"{bundle.label} has no pyproject.toml in {folder}, needed by `install`")
    return Requirements(found.text, found.hashed, found.export, folder)


def readable(app: AppSettings, bundle: Bundle, store: Path) -> Bundle:
    """The source with those files of constraints mended that its requirements name and that uv
    would stumble over."""
    path = _path(app, bundle)
    if path is None or PurePosixPath(path).name in ("uv.lock", "pyproject.toml"):
        return bundle
    files = _files(bundle)
    list(files.lines(path))
    return replaced(bundle, files.rewritten, store)


def requires_python(app: AppSettings, bundle: Bundle) -> str | None:
    """The versions of Python that the source says it runs with."""
    described = _described(app, bundle)
    return described.requires_python if described else None


def version_variables(app: AppSettings, bundle: Bundle) -> dict[str, str]:
    """What tells the build of the source its version, where that follows from git.

    Raises SourceError where nothing tells it.
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
    """What the source's `pyproject.toml` says, where it has one beside its requirements."""
    path = _beside(_folder(_path(app, bundle)), "pyproject.toml")
    if path not in names(bundle):
        return None
    return pyproject.parse(path, read_member(bundle, path))


def _refuse_other_tools(app: AppSettings, bundle: Bundle) -> None:
    """A virtualenv without what the source needs would only be noticed by its first request."""
    if app.requirements is False or app.lock or bundle.wheel or app.install:
        return
    described = _described(app, bundle)
    found = "pyproject.toml" if described and described.of_poetry else None
    found = found or next((name for name in OTHER_TOOLS if _says(bundle, name)), None)
    found = found or min(filter(_NAMED.fullmatch, names(bundle)), default=None)
    if found:
        if _NAMED.fullmatch(found):
            way_out = f"name the file in `requirements` ({found})"
        else:
            way_out = OTHER_TOOLS.get(found, pyproject.POETRY)
        raise SourceError(
            f"no requirements were found, though {found} says what it needs: {way_out}. Where it "
            "needs nothing, say `requirements: false`",
            "requirements",
        )


def _says(bundle: Bundle, name: str) -> bool:
    """Whether a file is there, and says what is needed: setup.cfg is for settings of tools too."""
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
    """Requirements on the operator's machine: hosts get the text, and none of the files beside."""
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
    """`own` are the application's pins: name -> version."""
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
    found = {}
    for line in text.splitlines():
        name, pin = requirement_name(line), re.match(r"[^;@]+?===?\s*([^\s;,*]+)", line)
        if name and pin:
            found[name] = pin[1]
    return found


def _locked(path: str, data: bytes) -> dict[str, str]:
    packages = pyproject.parse(path, data).data.get("package", [])
    return {
        item["name"]: item["version"]
        for item in packages
        if isinstance(item, dict) and {"name", "version"} <= item.keys()
    }


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
        own = _of_lock(project / Path(app.lock).expanduser())
    elif isinstance(app.source, PypiSource):
        own = f"{app.source.pypi}=={app.source.version}\n"
    if bundle.wheel:
        # Without a lock nobody knows the hashes of what the wheel itself needs.
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
        # Only its build tells what it depends on.
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
