"""Locates the project: the directory with the `config.py` that pyinfra reads, `apps/` and
`group_data/`."""

from __future__ import annotations

from pathlib import Path

MARKS = ("config.py", "deploy.py")
"""Files that every project has."""
PACKAGE = Path(__file__).resolve().parent


def is_project(directory: Path) -> bool:
    """Whether a directory is a project."""
    return all((directory / name).is_file() for name in MARKS)


def find(start: Path, default: Path) -> Path:
    """The project that contains `start`, else `default`."""
    return next((item for item in (start, *start.parents) if is_project(item)), default)


def _root() -> Path:
    here, checkout = Path.cwd(), PACKAGE.parent
    return find(here, checkout if is_project(checkout) else here)


ROOT = _root()
"""The project of this process: the one in which it was started, else groundcrew's own checkout."""


def program(name: str) -> str:
    """The command line of a groundcrew command: `bin/lab` in groundcrew's checkout, `groundcrew
    lab` in a user's project."""
    return f"bin/{name}" if (ROOT / "bin" / name).is_file() else f"groundcrew {name}"
