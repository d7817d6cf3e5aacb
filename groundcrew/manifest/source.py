"""Settings of where an application's code comes from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, StringConstraints, Tag

from groundcrew.model import Settings


class DirectorySource(Settings):
    """A directory on the operator's machine."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"directory": "../shop"}]})

    directory: str
    """Path of the directory, relative to the project directory (where deploy.py is) or absolute.
    Files that its .gitignore excludes are left out, unless git tracks them, and so is .git
    itself."""

    exclude: tuple[str, ...] = ()
    """More patterns of files to leave out, in .gitignore syntax."""


class GitSource(Settings):
    """A commit or tag of a git repository. The operator's machine fetches it, with the operator's
    keys."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"git": "https://git.example.org/shop.git", "ref": "v1.4.2"}]
        }
    )

    git: str
    """URL or path of the repository."""

    ref: str
    """Tag, branch or commit. Every run resolves a tag or branch to a commit."""

    path: str = "."
    """Directory in the repository that holds the application."""

    exclude: tuple[str, ...] = ()
    """Patterns of files to leave out, in .gitignore syntax, relative to `path`."""

    submodules: bool = False
    """Whether the source includes the repository's submodules."""

    deploy_key: str | None = None
    """Path of an SSH private key on the operator's machine, relative to the project directory: the
    only key that is used for this repository and its submodules. null: the operator's keys."""


class PypiSource(Settings):
    """A package from the Python package index, or from the index in `python.index_url`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"pypi": "superset[postgres]", "version": "4.1.1"}]}
    )

    pypi: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?$")
    """Name of the package, with the extras that it needs: `superset[postgres]`."""

    version: str
    """Exact version of the package."""


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

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"file": "dist/shop-1.4.2-py3-none-any.whl"}]}
    )

    file: ArchiveName
    """Path of the file, relative to the project directory or absolute."""

    sha256: Sha256 | None = None
    """SHA-256 checksum that the file must have; null: any."""

    exclude: tuple[str, ...] = ()
    """Patterns of files to leave out of an archive, in .gitignore syntax."""


class UrlSource(Settings):
    """A wheel or an archive from a web server. The operator's machine downloads it once."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://files.example.org/shop-1.4.2.tar.gz", "sha256": "0" * 64}]
        }
    )

    url: Annotated[ArchiveName, StringConstraints(pattern=r"^https?://[^\s]+$")]
    """Address of the file."""

    sha256: Sha256
    """SHA-256 checksum that the file must have."""

    exclude: tuple[str, ...] = ()
    """Patterns of files to leave out of an archive, in .gitignore syntax."""


# Key that selects a kind -> its tag. Tags appear in error locations, where they must not look like
# keys.
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
"""Any kind of source; its first key selects it."""
