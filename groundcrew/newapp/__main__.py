"""The command line of `bin/new-app`."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from groundcrew.newapp import manifest
from groundcrew.newapp.guess import Guess, NothingFoundError, guess
from groundcrew.newapp.project import Project
from groundcrew.project import ROOT, program

NAME = re.compile(r"[a-z][a-z0-9-]{0,23}")


def parser() -> argparse.ArgumentParser:
    """Return the parser of `bin/new-app`'s arguments."""
    top = argparse.ArgumentParser(
        prog=program("new-app"),
        description="Write apps/NAME.yml for the application in DIR, which is looked at, not run.",
    )
    top.add_argument("directory", metavar="DIR", help="the application's source")
    top.add_argument("name", metavar="NAME", nargs="?", help="default: the directory's name")
    top.add_argument("--entry", help="package.module:callable, where it is not found by itself")
    top.add_argument("--force", action="store_true", help="replace apps/NAME.yml")
    return top


def source(directory: Path, root: Path) -> str:
    """The directory as a manifest names it: relative if it is in the project or beside it, else
    absolute."""
    here, root = directory.resolve(), root.resolve()
    near = here != root and here.is_relative_to(root.parent) and root.parent != Path("/")
    return os.path.relpath(here, root) if near else str(here)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run `bin/new-app` and return its exit status."""
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
        result = guess(Project(directory), options.entry)
    except NothingFoundError as error:
        return _fail(str(error))
    except RecursionError:
        return _fail(f"{directory} has code that is nested too deeply to be read")
    text = manifest.text(name, source(directory / result.inside, root), result)
    target.parent.mkdir(exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print("\n".join(report(name, result)))
    return 0


def report(name: str, result: Guess) -> list[str]:
    """The report: what was found and what to check."""
    rows = {
        "framework": f"{result.entry.framework} ({result.entry.interface.upper()})",
        "entry": result.entry.name,
        "source": result.inside or ".",
        "requirements": result.requirements or "none found",
        "static files": f"{result.static[0]} at {result.static[1]}" if result.static else "none",
        "migrations": result.release_hooks[0] if result.release_hooks else "none found",
        "front end": result.frontend.directory if result.frontend else "none",
        "kept data": ", ".join(result.shared) or "none",
        "workers": "; ".join(worker.command for worker in result.workers) or "none",
        "health": result.health or "/ (nothing better found)",
    }
    return [
        f"wrote apps/{name}.yml",
        *(f"  {key:13} {value}" for key, value in rows.items()),
        *(["look at:"] if result.checks else []),
        *(f"  - {check}" for check in result.checks),
        f"then add {name} to a host's apps, or try it on a lab host:",
        f"  pyinfra inventory/lab.py deploy.py -y --data 'apps=[\"{name}\"]'",
    ]


def _fail(message: str) -> int:
    print(f"groundcrew: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
