"""Reads dependencies and build settings from a project's `pyproject.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from groundcrew.releases.tree import SourceError

POETRY = (
    "`poetry export -o requirements.txt` writes what it locks into a file that is read here "
    "(commit it); or set `install: true` where it is a package, for versions that nothing locks"
)
"""Advice for a project whose dependencies only Poetry can read."""


@dataclass(frozen=True)
class Project:
    """The part of a `pyproject.toml` that a release needs."""

    path: str
    """Path of the file in the source."""

    data: dict[str, Any] = field(repr=False)

    @property
    def declared(self) -> bool:
        """Whether it describes a project, and not only settings of tools."""
        return isinstance(self.data.get("project"), dict)

    @property
    def requires_python(self) -> str | None:
        """The versions of Python that it supports."""
        value = self._table.get("requires-python")
        return value if isinstance(value, str) else None

    @property
    def dynamic(self) -> bool:
        """Whether the dependencies are only known once the project is built."""
        return "dependencies" in self._table.get("dynamic", ())

    @property
    def name(self) -> str:
        """The package's name; empty if it has none."""
        value = self._table.get("name") or self.tool("poetry").get("name")
        return value if isinstance(value, str) else ""

    @property
    def build_requires(self) -> list[str]:
        """The requirements of its build."""
        table = self.data.get("build-system")
        value = table.get("requires") if isinstance(table, dict) else None
        return [line for line in value if isinstance(line, str)] if isinstance(value, list) else []

    @property
    def is_package(self) -> bool:
        """Whether it can be built: it describes a project or declares a build system."""
        return self.declared or bool(self.build_requires)

    @property
    def of_poetry(self) -> bool:
        """Whether its dependencies are in a table that only Poetry can read."""
        return not self.declared and "poetry" in self._tools

    def tool(self, name: str) -> dict[str, Any]:
        """The settings of a tool."""
        table = self._tools.get(name)
        return table if isinstance(table, dict) else {}

    def dependencies(self, extras: Sequence[str]) -> list[str]:
        """Its dependencies, as lines of a requirements file.

        Raises SourceError if they are declared in a way that only another tool understands.
        """
        if not self.declared:
            hint = f"; poetry's own table is not read: {POETRY}" if self.of_poetry else ""
            raise SourceError(f"{self.path} has no table [project]{hint}")
        if self.dynamic:
            raise SourceError(
                f"{self.path}: the dependencies are dynamic; set `install: true`, or lock them"
            )
        declared = [*self._table.get("dependencies", ()), *self._optional(extras)]
        names = {normal(line) for line in declared}
        local = sorted(names & {normal(name) for name in self.tool("uv").get("sources", ())})
        if local:
            raise SourceError(
                f"{self.path}: {local[0]} comes from [tool.uv.sources], which needs a uv.lock"
            )
        return declared

    def _optional(self, extras: Sequence[str]) -> list[str]:
        groups = self._table.get("optional-dependencies", {})
        known = {normal(name): lines for name, lines in groups.items()}
        for extra in extras:
            if normal(extra) not in known:
                raise SourceError(
                    f"{self.path} has no optional dependencies {extra} "
                    f"(known: {', '.join(sorted(groups)) or 'none'})"
                )
        return [line for extra in extras for line in known[normal(extra)]]

    @property
    def _table(self) -> dict[str, Any]:
        table: dict[str, Any] = self.data.get("project", {})
        return table

    @property
    def _tools(self) -> dict[str, Any]:
        tools: dict[str, Any] = self.data.get("tool", {})
        return tools


def normal(requirement: str) -> str:
    """The normalized name of a requirement's package."""
    name = re.match(r"[A-Za-z0-9._-]*", requirement.strip())
    return re.sub(r"[-_.]+", "-", name[0] if name else "").lower()


def parse(path: str, data: bytes) -> Project:
    """Parses a `pyproject.toml`. Raises SourceError if it is not valid TOML."""
    try:
        return Project(path, tomllib.loads(data.decode("utf-8-sig")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SourceError(f"{path}: {error}") from None
