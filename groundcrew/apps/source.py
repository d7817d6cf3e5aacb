"""Where an application's code comes from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from groundcrew.model import Settings


class DirectorySource(Settings):
    """A directory on the operator's machine."""

    directory: str
    """Path of the directory, relative to the project directory (where deploy.py is) or absolute.
    Files named by its .gitignore and by .git itself are left out."""

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


class PypiSource(Settings):
    """A package from the Python package index (or the one set in `python.index_url`)."""

    pypi: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?$")
    """Name of the package, with extras where it needs them: `superset[postgres]`."""

    version: str
    """Exact version."""


# The key that names a kind, and its tag: tags are part of error locations, where they must not
# look like keys.
_KINDS = {"directory": "from directory", "git": "from git", "pypi": "from pypi"}


def _kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return next((tag for kind, tag in _KINDS.items() if kind in value), None)
    return next((tag for kind, tag in _KINDS.items() if hasattr(value, kind)), None)


Source = Annotated[
    Annotated[DirectorySource, Tag("from directory")]
    | Annotated[GitSource, Tag("from git")]
    | Annotated[PypiSource, Tag("from pypi")],
    Discriminator(
        _kind,
        custom_error_type="source_kind",
        custom_error_message="expected one of: directory, git, pypi",
    ),
]
"""One of the three kinds, told apart by the key that names them."""
