"""Finds the requirements of an application."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from groundcrew.newapp.project import Project

FILES = ("uv.lock", "requirements/production.txt", "requirements/prod.txt",
         "requirements-production.txt", "requirements-prod.txt", "requirements_prod.txt",
         "requirements.prod.txt", "requirements/live.txt", "requirements.txt",
         "requirements/base.txt", "requirements/common.txt", "requirements/main.txt",
         "requirements/requirements.txt", "pyproject.toml")  # fmt: skip
"""The most exact files first; files for production before others."""
HOSTS = ((3, 11), (3, 13))
"""Python versions of Debian 12 and 13."""


def requirements(project: Project) -> str | None:
    """The requirements file to use; None if there is none."""
    for name in FILES:
        if not project.has(name):
            continue
        if name == "uv.lock" and not declared(project):
            # The lock of a workspace or of tools, which has nothing of the application.
            continue
        if name == "pyproject.toml" and not _dependencies(project):
            continue
        return name
    return None


def wayout(project: Project) -> str | None:
    """What to do if the requirements are in a file that is not supported; None if they are not."""
    if project.has("poetry.lock") or "poetry" in pyproject(project).get("tool", {}):
        return (
            "poetry's files are not read: `poetry export --output requirements.txt` (with "
            "poetry-plugin-export) writes what is locked, with hashes; or uvx migrate-to-uv"
        )
    if project.has("Pipfile") or project.has("Pipfile.lock"):
        return (
            "a Pipfile is not read: `pipenv requirements --hash > requirements.txt` writes what "
            "Pipfile.lock has"
        )
    if project.has("setup.py") or project.has("setup.cfg"):
        return (
            "setup.py is not run to find out what it needs: write its install_requires into a "
            "requirements.txt, and lock it with uv pip compile --generate-hashes"
        )
    if project.has("environment.yml"):
        return "conda's environment.yml is not read: write a requirements.txt"
    return None


def pinned(text: str) -> bool:
    """Whether a requirements file has hashes."""
    return "--hash=" in text


def python(project: Project) -> str | None:
    """The Python versions that the project requires (`>=3.12`); None if it does not say."""
    described = pyproject(project)
    value = described.get("project", {}).get("requires-python")
    value = value or described.get("tool", {}).get("poetry", {}).get("dependencies", {}).get(
        "python"
    )
    return str(value) if value else None


def version(asked: str) -> str | None:
    """The Python version to set if the requirement excludes one of Debian's: the newest of Debian's
    that fits, or else the lowest required. None if all fit, or if the requirement is not
    understood."""
    fitting = [item for item in HOSTS if _fits(item, asked)]
    if None in (_fits(item, asked) for item in HOSTS) or len(fitting) == len(HOSTS):
        return None
    if fitting:
        return f"3.{fitting[-1][1]}"
    lowest = [int(match) for match in re.findall(r"(?:>=|~=|==|\^|~)\s*3\.(\d+)", asked)]
    return f"3.{max(lowest)}" if lowest and _fits((3, max(lowest)), asked) else None


def _fits(python: tuple[int, int], asked: str) -> bool | None:
    """Whether a Python version satisfies the requirement; None if that is unclear."""
    for part in filter(None, (item.strip() for item in asked.split(","))):
        match = re.fullmatch(
            r"(>=|<=|==|!=|~=|>|<|\^|~)?\s*(\d+)(?:\.(\d+))?(?:\.(\d+|\*))?(\.\*)?", part
        )
        if match is None:
            return None
        sign, wanted = match[1] or "==", (int(match[2]), int(match[3] or 0))
        exact = match[4] not in (None, "*")
        if sign == "^":
            good = python >= wanted and python[0] == wanted[0]
        elif sign == "~":
            good = python == wanted
        elif sign == "~=":
            good = python == wanted if exact else python >= wanted and python[0] == wanted[0]
        elif sign == ">=":
            good = python >= wanted
        elif sign == ">":
            good = python >= wanted if exact else python > wanted
        elif sign == "<":
            good = python < wanted or (exact and match[4] != "0" and python == wanted)
        elif sign == "<=":
            good = python <= wanted
        elif sign == "==":
            good = python == wanted or match[3] is None
        else:
            good = exact or python != wanted
        if not good:
            return False
    return True


def entrypoints(project: Project) -> list[tuple[str, str]]:
    """The callables that `[tool.fastapi]` names."""
    value = pyproject(project).get("tool", {}).get("fastapi", {}).get("entrypoint")
    entries = [(value, "fastapi")] if isinstance(value, str) and ":" in value else []
    for root in project.roots:
        if root and project.has(f"{root}/pyproject.toml"):
            inner = pyproject(project, f"{root}/pyproject.toml")
            value = inner.get("tool", {}).get("fastapi", {}).get("entrypoint")
            entries += [(value, "fastapi")] if isinstance(value, str) and ":" in value else []
    return entries


def pyproject(project: Project, path: str = "pyproject.toml") -> dict[str, Any]:
    """The content of pyproject.toml; empty if it is missing or invalid."""
    if not project.has(path):
        return {}
    try:
        return tomllib.loads(project.text(path))
    except tomllib.TOMLDecodeError:
        return {}


def declared(project: Project) -> bool:
    """Whether pyproject.toml has a `project` table."""
    return "project" in pyproject(project)


def extras(project: Project) -> dict[str, list[str]]:
    """Extra -> its dependencies."""
    value = pyproject(project).get("project", {}).get("optional-dependencies", {})
    return {key: [str(item) for item in items] for key, items in value.items()}


def dynamic(project: Project) -> bool:
    """Whether the dependencies are dynamic, so that only a build determines them."""
    return "dependencies" in pyproject(project).get("project", {}).get("dynamic", [])


def _dependencies(project: Project) -> list[str]:
    value = pyproject(project).get("project", {}).get("dependencies", [])
    return [str(item) for item in value] if isinstance(value, list) else []


def packages(project: Project, path: str | None) -> set[str]:
    """Names of the direct requirements, normalised."""
    described = [*_dependencies(project)]
    poetry = pyproject(project).get("tool", {}).get("poetry", {}).get("dependencies", {})
    described += [*poetry]
    if path and path.endswith(".txt"):
        described += _lines(project, path, set())
    names = (re.match(r"\s*([A-Za-z0-9][\w.-]*)", item) for item in described)
    return {re.sub(r"[-_.]+", "-", match[1].lower()) for match in names if match}


def _lines(project: Project, path: str, seen: set[str]) -> list[str]:
    if path in seen or not project.has(path):
        return []
    seen.add(path)
    requirements = []
    for line in project.text(path).splitlines():
        included = re.match(r"\s*(?:-r|--requirement)[ =]*(\S+)", line)
        if included:
            folder = path.rpartition("/")[0]
            inner = f"{folder}/{included[1]}".lstrip("/").replace("/./", "/")
            requirements += _lines(project, inner, seen)
        elif not re.match(r"\s*(#|-)", line):
            requirements.append(line)
    return requirements
