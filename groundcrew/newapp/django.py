"""Reads the settings of a Django project."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from groundcrew.newapp import evidence
from groundcrew.newapp.entry import Entry
from groundcrew.newapp.project import Project, is_manage
from groundcrew.newapp.reading.expressions import is_open
from groundcrew.newapp.reading.reader import Frame, Reader
from groundcrew.newapp.reading.values import UNKNOWN, path

NAMED = re.compile(r"DJANGO_SETTINGS_MODULE['\"]?\s*\]?\s*[,=:]\s*['\"]?([A-Za-z_][\w.]*\w)")
PRODUCTION = re.compile(r"(^|_)(prod\w*|live|deploy\w*|server)$")
DEVELOPMENT = re.compile(r"local|dev|test|ci$|debug|docs|example|demo|staging|e2e")
BASE = re.compile(
    r"^(base|common|defaults?|global|shared|core)$|_(base|common|global)$|^settings_g"
)
OFF = ("False", "false", "0", "off", "no", "")
"""Values that turn a switch off, by how code usually parses it."""


@dataclass
class DjangoSettings:
    """The settings module, evaluated with a given environment."""

    project: Project
    module: str
    environment: dict[str, str] = field(default_factory=dict)
    instead: str | None = None
    """A module that the source names but does not contain."""

    @cached_property
    def reader(self) -> Reader:
        """The reader that evaluates the module."""
        return Reader(self.project, self.environment)

    @cached_property
    def frame(self) -> Frame | None:
        """The module's names; None if the source has no such module."""
        frame = self.reader.read(self.module)
        if frame is not None:
            self.reader.settings = frame.names
        return frame

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a setting; UNKNOWN if it depends on running the code."""
        if self.frame is None or name not in self.frame.names:
            return default
        value = self.reader.resolved(self.frame.names[name])
        return UNKNOWN if is_open(value) else value

    def origins(self, name: str) -> list[str]:
        """The variables that a setting is computed from."""
        if self.frame is None:
            return []
        return sorted(self.frame.origins.get(name, frozenset()))

    def given(self, **environment: str) -> DjangoSettings:
        """The same settings with additional variables."""
        return DjangoSettings(self.project, self.module, {**self.environment, **environment})

    def switch(self, name: str) -> tuple[str, str] | None:
        """A variable, and the value of it, that turns a setting off; None if there is none."""
        for variable in self.origins(name):
            for value in OFF:
                setting = self.given(**{variable: value}).get(name)
                if setting is not UNKNOWN and not setting:
                    return variable, value
        return None

    @cached_property
    def applications(self) -> list[str]:
        """INSTALLED_APPS, as far as it is known."""
        value = self.get("INSTALLED_APPS", [])
        return [item for item in value if isinstance(item, str)] if _is_list(value) else []

    @cached_property
    def packages(self) -> list[str]:
        """The project's own packages among INSTALLED_APPS."""
        names = []
        for name in self.applications:
            parts = name.split(".")
            while parts and not self.project.is_package(".".join(parts)):
                parts.pop()
            if parts:
                names.append(".".join(parts))
        return names

    def place(self, name: str) -> tuple[str | None, bool]:
        """A setting that is a path, relative to the source, and whether it is known to lie
        outside."""
        return within(self.project, self.get(name))

    @cached_property
    def databases(self) -> dict[str, dict[str, Any]]:
        """DATABASES, as far as it is known."""
        value = self.get("DATABASES", {})
        if not isinstance(value, dict):
            return {}
        return {str(key): item for key, item in value.items() if isinstance(item, dict)}


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def within(project: Project, value: Any) -> tuple[str | None, bool]:
    """A path relative to the source (None if it is not inside), and whether it is known to lie
    outside."""
    text = path(value)
    if text is None:
        return None, False
    here = PurePosixPath(project.directory.resolve().as_posix())
    whole = PurePosixPath(text)
    if not whole.is_absolute():
        whole = here / whole
    whole = _normal(whole)
    if whole == here or not whole.is_relative_to(here):
        return None, True
    return whole.relative_to(here).as_posix(), False


def _normal(whole: PurePosixPath) -> PurePosixPath:
    parts: list[str] = []
    for part in whole.parts:
        if part == ".." and len(parts) > 1:
            parts.pop()
        elif part != "..":
            parts.append(part)
    return PurePosixPath(*parts)


def manage(project: Project) -> str | None:
    """The path of the manage.py that is nearest to the top; None if there is none."""
    for name in project.named(["manage.py"]):
        if name in project.trees and is_manage(project.text(name)):
            return name
    return None


def find(project: Project, entry: Entry | None = None) -> DjangoSettings | None:
    """Finds the settings for production: first those that the project's start scripts use, then
    those that wsgi.py and manage.py name. Modules for production beside them are preferred to those
    for development."""
    candidates = list(dict.fromkeys(_told(project)))
    named = list(dict.fromkeys(_named(project, entry)))
    known = [name for name in [*candidates, *named] if name in project.by_name]
    pool = [*known]
    for name in known or named:
        pool += _beside(project, name)
    if not pool:
        pool = [
            module.name
            for module in project.modules
            if re.search(r"(^|\.)settings(\.\w+)?$", module.name) and not module.aside
        ]
    pool = [name for name in dict.fromkeys(pool) if not _is_empty(project, name)]
    if not pool:
        return DjangoSettings(project, named[0]) if named else None
    best = min(pool, key=lambda name: (_kind(name), pool.index(name)))
    missing = (
        named[0] if named and named[0] not in project.by_name and best not in candidates else None
    )
    return DjangoSettings(project, best, instead=missing)


def _told(project: Project) -> Iterator[str]:
    """Settings modules that start scripts and similar files name."""
    for line in evidence.lines(project):
        match = NAMED.search(line.text)
        if match and match[1] in project.by_name and not evidence.LOCAL.search(line.path):
            yield match[1]


def _named(project: Project, entry: Entry | None) -> Iterator[str]:
    """Settings modules that wsgi.py, manage.py and similar modules name."""
    places = [entry.module.path] if entry and entry.module else []
    places += [path for path in [manage(project)] if path]
    places += [
        module.path
        for module in project.modules
        if module.name.rpartition(".")[2] in ("wsgi", "asgi", "celery") and not module.aside
    ]
    for place in places:
        match = NAMED.search(project.text(place))
        if match:
            yield match[1]


def _beside(project: Project, name: str) -> Iterator[str]:
    """Settings modules for production in the same package or in a subpackage; for a development
    module, also its base."""
    parent, _, last = name.rpartition(".")
    for other in project.by_name:
        folder, _, own = other.rpartition(".")
        if folder == name and PRODUCTION.search(own):
            yield other
        beside = folder == parent and folder and last != "settings"
        base = DEVELOPMENT.search(last) and BASE.search(own)
        if beside and "setting" in other and (PRODUCTION.search(own) or base):
            yield other


def _kind(name: str) -> int:
    last = name.rpartition(".")[2]
    if PRODUCTION.search(last):
        return 0
    if BASE.search(last):
        return 2
    return 3 if DEVELOPMENT.search(last) else 1


def _is_empty(project: Project, name: str) -> bool:
    """Whether a package of settings modules contains no settings itself."""
    module = project.by_name[name]
    return module.is_package and not any(
        type(node).__name__ in ("Assign", "AnnAssign", "ImportFrom", "If", "Try")
        for node in module.tree.body
    )
