"""Which file says what an application needs."""

from __future__ import annotations

import tomllib

from groundcrew.newapp.project import Project

FILES = ("uv.lock", "requirements.txt", "requirements/production.txt", "requirements/prod.txt",
         "requirements/base.txt", "pyproject.toml")  # fmt: skip


def requirements(project: Project) -> str | None:
    """The file, the most exact first."""
    for name in FILES:
        if project.has(name) and (name != "pyproject.toml" or _dependencies(project)):
            return name
    return None


def python(project: Project) -> str | None:
    """The versions of Python that the project asks for (`>=3.12`)."""
    if not project.has("pyproject.toml"):
        return None
    value = _pyproject(project).get("project", {}).get("requires-python")
    return str(value) if value else None


def _pyproject(project: Project) -> dict[str, dict[str, object]]:
    try:
        return tomllib.loads(project.text("pyproject.toml"))
    except tomllib.TOMLDecodeError:
        return {}


def _dependencies(project: Project) -> list[str]:
    if not project.has("pyproject.toml"):
        return []
    value = _pyproject(project).get("project", {}).get("dependencies", [])
    return [str(item) for item in value] if isinstance(value, list) else []
