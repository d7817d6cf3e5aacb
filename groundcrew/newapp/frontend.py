"""A front end that npm builds."""

from __future__ import annotations

import json
from dataclasses import dataclass

from groundcrew.newapp.project import Project

LOCKS = ("package-lock.json", "npm-shrinkwrap.json")


@dataclass(frozen=True)
class FrontendGuess:
    """A directory with package.json, a lockfile and a build."""

    directory: str
    output: str


def find(project: Project) -> tuple[FrontendGuess | None, list[str]]:
    """The front end, and what one should know about those that were not taken."""
    notes = []
    for path in project.files:
        folder, _, name = path.rpartition("/")
        if name != "package.json" or "node_modules/" in path:
            continue
        try:
            package = json.loads(project.text(path))
        except json.JSONDecodeError:
            continue
        if "build" not in package.get("scripts", {}):
            continue
        if not any(project.has(f"{folder}/{lock}".lstrip("/")) for lock in LOCKS):
            notes.append(f"{path} has a build and no package-lock.json: run npm install, commit it")
            continue
        used = {**package.get("dependencies", {}), **package.get("devDependencies", {})}
        return FrontendGuess(folder or ".", "build" if "react-scripts" in used else "dist"), notes
    return None, notes
