"""The files of a project directory, read once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pathspec import GitIgnoreSpec

from groundcrew.newapp import syntax
from groundcrew.releases import tree

SKIPPED = ("node_modules/", "tests/", "test/", "testing/", "*_tests/", "e2e/", "e2etests/",
           "test_*.py", "*_test.py", "tests.py", "conftest.py", "docs/", "docs_src/", "venv/",
           "env/", "build/", "dist/", "site-packages/")  # fmt: skip
"""Files in a source that never belong to the application."""
ASIDE = ("scripts/", "script/", "bin/", "tools/", "dev/", "docker/", "deploy/", "ci/", "infra/",
         "infrastructure/", "terraform/", "benchmarks/", "examples/", "example/", "samples/",
         "migrations/", "alembic/", "versions/", "setup.py", "noxfile.py", "fabfile.py",
         ".*/", "sdk/", "locustfile.py")  # fmt: skip
"""Files that an application may use, but that do not start it."""
MARKS = ("pyproject.toml", "requirements.txt", "setup.py", "setup.cfg", "Pipfile", "uv.lock",
         "requirements/production.txt", "requirements/prod.txt",
         "requirements/base.txt")  # fmt: skip
"""Files that mark a directory with its own application."""

NO_ROOTS = {"docs", "doc", "tests", "test", "dev", "scripts", "node_modules", "examples", "e2e"}


@dataclass(frozen=True)
class Module:
    """A Python file: its dotted name relative to its root, and its syntax tree."""

    path: str
    name: str
    tree: ast.Module
    root: str = ""
    aside: bool = False

    @property
    def is_package(self) -> bool:
        """Whether it is a package's `__init__.py`."""
        return self.path.endswith("/__init__.py") or self.path == "__init__.py"


@dataclass(frozen=True)
class Project:
    """A project directory. `parent` is the project that it is a part of."""

    directory: Path
    parent: Project | None = None

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Relative paths of all files that would be released, sorted. Respects .gitignore."""
        paths = tree.files(self.directory, (), gitignore=True)
        return tuple(sorted(path.relative_to(self.directory).as_posix() for path in paths))

    @cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(self.files)

    @cached_property
    def directories(self) -> frozenset[str]:
        """Directories that contain files, directly or below."""
        folders: set[str] = set()
        for path in self.files:
            parts = path.split("/")[:-1]
            folders.update("/".join(parts[: count + 1]) for count in range(len(parts)))
        return frozenset(folders)

    def has(self, path: str) -> bool:
        """Whether the file exists."""
        return path in self._all

    def has_directory(self, path: str) -> bool:
        """Whether the directory contains files."""
        return path in self.directories

    def text(self, path: str) -> str:
        """Text of a file. Invalid UTF-8 is replaced."""
        return (self.directory / path).read_text(encoding="utf-8", errors="replace")

    @cached_property
    def packaged(self) -> bool:
        """Whether the code lies in `src/`, so that it must be installed to be imported."""
        return (
            any(name.startswith("src/") and name.endswith(".py") for name in self.files)
            and not self.has("src/manage.py")
            and any(map(self.has, ("pyproject.toml", "setup.py", "setup.cfg")))
        )

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """Path -> syntax tree, for each Python file that can be parsed and is not skipped."""
        skipped = GitIgnoreSpec.from_lines(SKIPPED)
        parsed = {}
        for path in self.files:
            if not path.endswith(".py") or skipped.match_file(path):
                continue
            try:
                parsed[path] = ast.parse(self.text(path))
            except (SyntaxError, ValueError, RecursionError):
                continue
        return parsed

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """Directories that modules are imported from, the deepest first."""
        folders = {""}
        for path in self.files:
            folder, _, name = path.rpartition("/")
            if set(folder.split("/")) & NO_ROOTS:
                continue
            package = self.has(f"{folder}/__init__.py")
            manages = name == "manage.py" and path in self.trees and is_manage(self.text(path))
            if manages or (folder and not package and name in MARKS):
                folders.add(folder)
        for folder in [*folders]:
            inner = f"{folder}/src".lstrip("/")
            if self.has_directory(inner) and not self.has(f"{inner}/__init__.py"):
                folders.add(inner)
        folders |= set(self._implied(folders))
        return tuple(sorted(folders, key=lambda root: (-root.count("/") - bool(root), root)))

    def _implied(self, known: set[str]) -> Iterator[str]:
        """Directories whose modules import each other by bare names."""
        for path, module in self.trees.items():
            folder = path.rpartition("/")[0]
            if not folder or folder in known or self.has(f"{folder}/__init__.py"):
                continue
            for name in syntax.imported(module):
                if self._importable(folder, name) and not any(
                    self._importable(root, name) for root in known
                ):
                    yield folder
                    break

    def _importable(self, root: str, name: str) -> bool:
        base = f"{root}/{name}".lstrip("/")
        return self.has(f"{base}.py") or self.has(f"{base}/__init__.py")

    def root_of(self, path: str) -> str:
        """The directory that a module is imported from."""
        return next(root for root in self.roots if not root or path.startswith(f"{root}/"))

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """All Python files that can be parsed and imported by name, those nearest to the top
        first."""
        aside = GitIgnoreSpec.from_lines(ASIDE)
        modules = []
        for path, parsed in self.trees.items():
            root = self.root_of(path)
            name = path.removeprefix(f"{root}/") if root else path
            name = name.removesuffix(".py").removesuffix("/__init__")
            parts = name.split("/")
            if all(part.isidentifier() for part in parts):
                module = Module(path, ".".join(parts), parsed, root, aside.match_file(path))
                modules.append(module)
        return tuple(sorted(modules, key=lambda module: (module.path.count("/"), module.path)))

    @cached_property
    def by_name(self) -> dict[str, Module]:
        """Dotted name -> module; of several with the same name, the nearest to the top."""
        return {module.name: module for module in reversed(self.modules)}

    @cached_property
    def _packages(self) -> frozenset[str]:
        packages: set[str] = set()
        for name in self.by_name:
            parts = name.split(".")
            packages.update(".".join(parts[:count]) for count in range(1, len(parts)))
        return frozenset(packages)

    def is_package(self, name: str) -> bool:
        """Whether the project has modules below this name."""
        return name in self._packages

    def absolute(self, node: ast.ImportFrom, module: str) -> str:
        """The absolute name of the module in an import statement of `module`."""
        if not node.level:
            return node.module or ""
        known = self.by_name.get(module)
        parts = module.split(".")
        up = node.level - 1 if known is not None and known.is_package else node.level
        parts = parts[: len(parts) - up] if up else parts
        return ".".join([*parts, *([node.module] if node.module else [])])

    @cached_property
    def imports(self) -> dict[str, frozenset[str]]:
        """Path -> full names of what the module imports."""
        return {
            module.path: frozenset(syntax.modules_imported(module.tree)) for module in self.modules
        }

    def named(self, names: Iterable[str]) -> Iterator[str]:
        """Files with one of these names, those nearest to the top first."""
        wanted = set(names)
        paths = [path for path in self.files if path.rpartition("/")[2] in wanted]
        yield from sorted(paths, key=lambda path: (path.count("/"), path))


def is_manage(text: str) -> bool:
    """Whether a file is Django's manage.py."""
    return bool(re.search(r"DJANGO_SETTINGS_MODULE|execute_from_command_line", text))
