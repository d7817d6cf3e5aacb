"""The files of a project directory, read once."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pathspec import GitIgnoreSpec

from groundcrew.releases import tree

SKIPPED = ("node_modules/", "tests/", "test/", "test_*.py", "docs/", "venv/", "env/", "build/")
"""What is part of a source and never an application's entry."""


@dataclass(frozen=True)
class Module:
    """A Python file: its dotted name as imported from `root`, and its syntax tree."""

    path: str
    name: str
    tree: ast.Module


@dataclass(frozen=True)
class Project:
    """A project directory."""

    directory: Path

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Relative paths of everything that would be released, sorted; .gitignore is respected."""
        found = tree.files(self.directory, (), gitignore=True)
        return tuple(sorted(path.relative_to(self.directory).as_posix() for path in found))

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return path in self.files

    def has_directory(self, path: str) -> bool:
        """Whether there is a file below such a directory."""
        return any(name.startswith(f"{path}/") for name in self.files)

    def text(self, path: str) -> str:
        """A file's text; what is not UTF-8 is replaced."""
        return (self.directory / path).read_text(encoding="utf-8", errors="replace")

    @cached_property
    def packaged(self) -> bool:
        """Whether the code lies in `src/`, from where it is only found once it is installed."""
        return any(name.startswith("src/") and name.endswith(".py") for name in self.files)

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """Every Python file that can be parsed and imported by name, those nearest first."""
        skipped = GitIgnoreSpec.from_lines(SKIPPED)
        found = []
        for path in self.files:
            if not path.endswith(".py") or skipped.match_file(path):
                continue
            name = path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__")
            parts = name.split("/")
            if not all(part.isidentifier() for part in parts):
                continue
            try:
                parsed = ast.parse(self.text(path))
            except (SyntaxError, ValueError):
                continue
            found.append(Module(path, ".".join(parts), parsed))
        return tuple(sorted(found, key=lambda module: (module.path.count("/"), module.path)))
