"""`groundcrew init`: writes a new project."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from groundcrew.project import PACKAGE
from groundcrew.settings.schema import app_schema

SKELETON = PACKAGE / "data" / "project"
"""Files of a new project. `dot-` at the start of a name becomes a dot."""
SCHEMA = "app.schema.json"


def parser() -> argparse.ArgumentParser:
    """Returns the argument parser."""
    top = argparse.ArgumentParser(
        prog="groundcrew init",
        description="Write a project: inventory, settings, deploy.py and playbooks, all yours "
        "to change. What is there already stays as it is.",
    )
    top.add_argument("directory", metavar="DIR", type=Path, help="made where it is missing")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the project and returns the exit status."""
    directory: Path = parser().parse_args(arguments).directory
    try:
        made, kept = write(directory)
    except OSError as error:
        print(f"groundcrew: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    for path in made:
        print(f"  {path}")
    for path in kept:
        print(f"  {path}: is there already, left as it is")
    print(f"{len(made)} new {'file' if len(made) == 1 else 'files'} in {directory}")
    if "README.md" in made:
        print("Next: README.md there")
    return 0


def write(directory: Path) -> tuple[list[str], list[str]]:
    """Writes the missing files of a project. Returns the names of written and of existing files.

    Raises OSError.
    """
    content = {
        str(_name(source.relative_to(SKELETON))): source.read_text(encoding="utf-8")
        for source in sorted(_skeleton())
    }
    content["requirements.txt"] = requirements(_origin())
    content[SCHEMA] = json.dumps(app_schema(), indent=2, ensure_ascii=False) + "\n"
    # The directory holds keys of lab hosts, whatever the project's .gitignore says.
    content[".groundcrew/.gitignore"] = "*\n"
    made, kept = [], []
    for name, text in content.items():
        path = directory / name
        # A symbolic link counts as existing, even if it is broken.
        if os.path.lexists(path):
            kept.append(name)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        made.append(name)
    return made, kept


def requirements(origin: str) -> str:
    """The project's requirements. groundcrew is installed from where this one came from, never by
    name alone: a package index may have another project of that name."""
    return (
        "# Always install from an address of your own, never by name alone: a package index may\n"
        "# have another project of this name. For CI, use an address that it can reach, pinned:\n"
        "#   groundcrew @ git+https://git.example.com/groundcrew@COMMIT\n"
        "#   ./wheels/groundcrew-0.1.0-py3-none-any.whl\n"
        f"groundcrew @ {origin}\n"
    )


def _skeleton() -> Iterator[Path]:
    """Files of the skeleton. In a checkout, some of its directories are symbolic links."""
    for folder, folders, files in os.walk(SKELETON, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(folder) / name for name in files)


def _name(path: Path) -> Path:
    return Path(*(part.replace("dot-", ".", 1) if part.startswith("dot-") else part
                  for part in path.parts))  # fmt: skip


def _origin() -> str:
    """The URL that this package was installed from, or that of its directory."""
    try:
        noted = distribution("groundcrew").read_text("direct_url.json")
    except PackageNotFoundError:
        noted = None
    if noted is None:
        return PACKAGE.parent.as_uri()
    record = json.loads(noted)
    repository = record.get("vcs_info")
    if repository:
        return f"{repository['vcs']}+{record['url']}@{repository['commit_id']}"
    return str(record["url"])
