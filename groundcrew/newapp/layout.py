"""Finds the application's directory in a tree, and the directory that its modules are imported
from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from groundcrew.newapp import entry, needs
from groundcrew.newapp.entry import Entry
from groundcrew.newapp.project import Project


class NothingFoundError(Exception):
    """The directory has no recognisable application; the message says why."""


@dataclass(frozen=True)
class Place:
    """The part of a tree that is the application's source."""

    project: Project
    inside: str
    """Its directory in the tree; empty for the tree itself."""
    best: Entry
    entries: list[Entry]

    @property
    def root(self) -> str:
        """Directory in the source that its modules are imported from."""
        return self.best.module.root if self.best.module else ""


def find(tree: Project, chosen: str | None = None) -> Place:
    """Finds the application in a tree. Raises NothingFoundError if there is none."""
    entries = entry.find(tree)
    best = entry.chosen(tree, chosen) if chosen else (entries[0] if entries else None)
    if best is None:
        raise NothingFoundError(
            "no WSGI or ASGI application found (Flask, FastAPI, Starlette, Django, "
            "application(environ, start_response)); say where it is: --entry package.module:name"
        )
    folder = _own(tree, best)
    if not folder:
        return Place(tree, "", best, entries)
    part = Project(tree.directory / folder, tree)
    inner = entry.find(part)
    same = [item for item in inner if item.name == best.name]
    if not same:
        return Place(tree, "", best, entries)
    return Place(part, folder, same[0], entries)


def _own(tree: Project, best: Entry) -> str:
    """The nearest directory above the code that has its own requirements."""
    root = best.module.root if best.module else ""
    folder = root
    while folder:
        part = Project(tree.directory / folder, tree)
        if needs.requirements(part) or needs.wayout(part):
            return folder
        folder = PurePosixPath(folder).parent.as_posix().removeprefix(".")
    if needs.requirements(tree) or needs.wayout(tree):
        return ""
    return root
