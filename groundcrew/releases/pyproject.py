"""What a project's own `pyproject.toml` says of its dependencies."""

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
"""The ways out for a project whose dependencies only Poetry knows."""


@dataclass(frozen=True)
class Project:
    """The part of a `pyproject.toml` that a release needs."""

    path: str
    """Where it lies in the source."""

    data: dict[str, Any] = field(repr=False)

    @property
    def declared(self) -> bool:
        """Whether it describes a project at all, and not only settings of tools."""
        return isinstance(self.data.get("project"), dict)

    @property
    def requires_python(self) -> str | None:
        """The versions of Python that it runs with."""
        found = self._table.get("requires-python")
        return found if isinstance(found, str) else None

    @property
    def dynamic(self) -> bool:
        """Whether only the project's build tells what it depends on."""
        return "dependencies" in self._table.get("dynamic", ())

    @property
    def name(self) -> str:
        """The package's name; empty where it says none."""
        found = self._table.get("name") or self.tool("poetry").get("name")
        return found if isinstance(found, str) else ""

    @property
    def build_requires(self) -> list[str]:
        """What its build needs."""
        table = self.data.get("build-system")
        found = table.get("requires") if isinstance(table, dict) else None
        return [line for line in found if isinstance(line, str)] if isinstance(found, list) else []

    @property
    def is_package(self) -> bool:
        """Whether it can be built: it describes a project, or says what builds it."""
        return self.declared or bool(self.build_requires)

    @property
    def of_poetry(self) -> bool:
        """Whether its dependencies are in a table that only Poetry reads."""
        return not self.declared and "poetry" in self._tools

    def tool(self, name: str) -> dict[str, Any]:
        """The settings of a tool."""
        found = self._tools.get(name)
        return found if isinstance(found, dict) else {}

    def dependencies(self, extras: Sequence[str]) -> list[str]:
        """Its dependencies, as lines of a requirements file.

        Raises SourceError where they are said in a way that only another tool understands.
        """
        if not self.declared:
            hint = f"; poetry's own table is not read: {POETRY}" if self.of_poetry else ""
            raise SourceError(f"{self.path} has no table [project]{hint}")
        if self.dynamic:
            raise SourceError(
                f"{self.path}: the dependencies are dynamic; set `install: true`, or lock them"
            )
        found = [*self._table.get("dependencies", ()), *self._optional(extras)]
        names = {normal(line) for line in found}
        local = sorted(names & {normal(name) for name in self.tool("uv").get("sources", ())})
        if local:
            raise SourceError(
                f"{self.path}: {local[0]} comes from [tool.uv.sources], which needs a uv.lock"
            )
        return found

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
    """The name of a requirement's package, as indexes write it."""
    name = re.match(r"[A-Za-z0-9._-]*", requirement.strip())
    return re.sub(r"[-_.]+", "-", name[0] if name else "").lower()


def parse(path: str, data: bytes) -> Project:
    """Raises SourceError where it is no TOML."""
    try:
        return Project(path, tomllib.loads(data.decode("utf-8-sig")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SourceError(f"{path}: {error}") from None
