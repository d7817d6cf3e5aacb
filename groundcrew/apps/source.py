"""Where an application's code comes from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag

from groundcrew.model import Settings


class DirectorySource(Settings):
    """A directory on the operator's machine."""

    directory: str
    """Path of the directory, relative to the project directory (where deploy.py is) or absolute.
    Files that its .gitignore names are left out, unless git tracks them, and so is .git itself."""

    exclude: tuple[str, ...] = ()
    """More patterns to leave out, in .gitignore syntax."""


class GitSource(Settings):
    """A commit or tag of a git repository; fetched on the operator's machine with its own keys."""

    git: str
    """URL or path of the repository."""

    ref: str
    """Tag, branch or commit. A tag or branch is resolved to a commit on every run."""

    path: str = "."
    """Directory inside the repository that holds the application."""

    exclude: tuple[str, ...] = ()
    """Patterns to leave out, in .gitignore syntax, relative to `path`."""

    submodules: bool = False
    """Whether the repository's submodules belong to the source."""

    deploy_key: str | None = None
    """Path of an SSH private key on the operator's machine, relative to the project directory,
    that is used for this repository and its submodules, and no other key."""


class PypiSource(Settings):
    """A package from the Python package index (or the one set in `python.index_url`)."""

    pypi: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?$")
    """Name of the package, with extras where it needs them: `superset[postgres]`."""

    version: str
    """Exact version."""


Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True)]

ARCHIVES = (".whl", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".zip")


def _archive_name(name: str) -> str:
    if not name.partition("?")[0].partition("#")[0].endswith(ARCHIVES):
        raise ValueError(f"expected a name that ends with one of: {' '.join(ARCHIVES)}")
    return name


ArchiveName = Annotated[str, AfterValidator(_archive_name)]


class FileSource(Settings):
    """A file on the operator's machine: a wheel, which is installed into the virtualenv, or an
    archive (`.tar.gz`, `.zip`, ...), which is unpacked."""

    file: ArchiveName
    """Path of the file, relative to the project directory or absolute."""

    sha256: Sha256 | None = None
    """Checksum that it must have."""

    exclude: tuple[str, ...] = ()
    """Patterns of what is left out of an archive, in .gitignore syntax."""


class UrlSource(Settings):
    """The same from a web server; fetched on the operator's machine, once."""

    url: Annotated[ArchiveName, StringConstraints(pattern=r"^https?://[^\s]+$")]
    """Address of the file."""

    sha256: Sha256
    """Checksum that it must have."""

    exclude: tuple[str, ...] = ()
    """Patterns of what is left out of an archive, in .gitignore syntax."""


# The key that names a kind, and its tag: tags are part of error locations, where they must not
# look like keys.
_KINDS = {kind: f"from {kind}" for kind in ("directory", "git", "pypi", "file", "url")}


def _kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return next((tag for kind, tag in _KINDS.items() if kind in value), None)
    return next((tag for kind, tag in _KINDS.items() if hasattr(value, kind)), None)


Source = Annotated[
    Annotated[DirectorySource, Tag("from directory")]
    | Annotated[GitSource, Tag("from git")]
    | Annotated[PypiSource, Tag("from pypi")]
    | Annotated[FileSource, Tag("from file")]
    | Annotated[UrlSource, Tag("from url")],
    Discriminator(
        _kind,
        custom_error_type="source_kind",
        custom_error_message="expected one of: directory, git, pypi, file, url",
    ),
]
"""One of the kinds, told apart by the key that names them."""
