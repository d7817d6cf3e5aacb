"""The command line of `bin/new-app`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from groundcrew.newapp import manifest
from groundcrew.newapp.guess import Guess, NothingFoundError, guess
from groundcrew.newapp.project import Project

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")


def parser() -> argparse.ArgumentParser:
    """Return the parser of `bin/new-app`'s arguments."""
    top = argparse.ArgumentParser(
        prog="bin/new-app",
        description="Write apps/NAME.yml for the application in DIR, which is looked at, not run.",
    )
    top.add_argument("directory", metavar="DIR", help="the application's source")
    top.add_argument("name", metavar="NAME", nargs="?", help="default: the directory's name")
    top.add_argument("--entry", help="package.module:callable, where it is not found by itself")
    top.add_argument("--force", action="store_true", help="replace apps/NAME.yml")
    return top


def source(directory: Path, root: Path) -> str:
    """How a manifest names a directory: relative where it is in the project."""
    here = directory.resolve()
    inside = here.is_relative_to(root) and here != root
    return here.relative_to(root).as_posix() if inside else str(here)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run `bin/new-app`; the exit status."""
    options = parser().parse_args(arguments)
    directory = Path(options.directory)
    if not directory.is_dir():
        return _fail(f"{directory} is no directory")
    name = options.name or re.sub(r"[^a-z0-9-]+", "-", directory.resolve().name.lower()).strip("-")
    if not NAME.fullmatch(name):
        return _fail(f'"{name}" cannot be a name: small letters, digits and -, 24 at most')
    target = root / "apps" / f"{name}.yml"
    if target.exists() and not options.force:
        return _fail(f"{target.relative_to(root)} exists; --force replaces it")
    try:
        found = guess(Project(directory), options.entry)
    except NothingFoundError as error:
        return _fail(str(error))
    except RecursionError:
        return _fail(f"{directory} has code that is nested too deeply to be read")
    text = manifest.text(name, source(directory / found.inside, root), found)
    target.parent.mkdir(exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print("\n".join(report(name, found)))
    return 0


def report(name: str, found: Guess) -> list[str]:
    """What was guessed and what to look at."""
    rows = {
        "framework": f"{found.entry.framework} ({found.entry.interface.upper()})",
        "entry": found.entry.name,
        "source": found.inside or ".",
        "requirements": found.requirements or "none found",
        "static files": f"{found.static[0]} at {found.static[1]}" if found.static else "none",
        "migrations": found.release_hooks[0] if found.release_hooks else "none found",
        "front end": found.frontend.directory if found.frontend else "none",
        "kept data": ", ".join(found.shared) or "none",
        "workers": "; ".join(worker.command for worker in found.workers) or "none",
        "health": found.health or "/ (nothing better found)",
    }
    return [
        f"wrote apps/{name}.yml",
        *(f"  {key:13} {value}" for key, value in rows.items()),
        *(["look at:"] if found.checks else []),
        *(f"  - {check}" for check in found.checks),
        f"then add {name} to a host's apps, or try it on a lab host:",
        f"  pyinfra inventory/lab.py deploy.py -y --data 'apps=[\"{name}\"]'",
    ]


def _fail(message: str) -> int:
    print(f"groundcrew: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
