"""Derives a manifest from the sources of Flask, FastAPI and other applications."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from groundcrew.newapp import evidence, health
from groundcrew.newapp.django import within
from groundcrew.newapp.entry import maker, signs
from groundcrew.newapp.layout import Place
from groundcrew.newapp.project import Project
from groundcrew.newapp.reading.expressions import evaluate
from groundcrew.newapp.reading.reader import Reader
from groundcrew.newapp.reading.values import UNKNOWN, Class
from groundcrew.newapp.routes import Graph, Route
from groundcrew.newapp.stored import Beside
from groundcrew.newapp.syntax import called

if TYPE_CHECKING:
    from groundcrew.newapp.guess import Guess

GUARDED = re.compile(
    r"redirect|login_required|require|abort|url_for|session|auth|current_user|Depends"
)
"""A page with one of these words may not answer everybody with 200."""


def look(place: Place, reader: Reader, modules: list[str], result: Guess) -> None:
    """Adds the health path, static files and migrations."""
    project = place.project
    routes: list[Route] = []
    if result.entry.framework != "other":
        routes = Graph(project, reader, modules).paths()
    result.health = _health(project, reader, modules, routes, result)
    result.api = _prefixes(routes)
    if result.entry.framework == "Flask":
        result.static = _static(project, reader, modules)
    _migrations(project, modules, result)


def _health(
    project: Project, reader: Reader, modules: list[str], routes: list[Route], result: Guess
) -> str | None:
    path = health.best(route.path for route in routes) or evidence.health(project)
    if path is None and result.entry.framework == "FastAPI":
        return _openapi(project, reader, modules)
    if path is not None:
        return path
    open_pages = [
        route.path
        for route in routes
        if route.function is not None
        and not re.search(r"[<{]", route.path)
        and not GUARDED.search(ast.unparse(route.function))
        and sum(isinstance(node, ast.stmt) for node in ast.walk(route.function)) < 12
    ]
    if "/" in open_pages:
        return "/"
    if open_pages:
        result.checks.append(
            "health: no check was found; a page was taken that looks open to everybody"
        )
    return min(open_pages, default=None, key=len)


def _openapi(project: Project, reader: Reader, modules: list[str]) -> str | None:
    """The path of FastAPI's OpenAPI document, which is public by default; None if it is
    disabled."""
    for name in modules:
        frame = reader.read(name)
        for node in ast.walk(project.by_name[name].tree):
            if isinstance(node, ast.Call) and called(node) == "FastAPI" and frame is not None:
                for keyword in node.keywords:
                    if keyword.arg == "openapi_url":
                        value = evaluate(keyword.value, frame)
                        return value if isinstance(value, str) and value.startswith("/") else None
                return "/openapi.json"
    return None


def _prefixes(routes: list[Route]) -> list[str]:
    """Prefixes of the application's paths, if a front end serves all others."""
    prefixes = set()
    for route in routes:
        first, _, rest = route.path.lstrip("/").partition("/")
        if first and not re.search(r"[<{*]", first):
            prefixes.add(f"/{first}/" if rest or route.path.endswith("/") else f"/{first}")
    return sorted(prefixes)


def _static(project: Project, reader: Reader, modules: list[str]) -> tuple[str, str] | None:
    """Static files of the Flask application, if they have a path of their own."""
    for name in modules:
        frame, module = reader.read(name), project.by_name[name]
        if not signs(project).search(project.text(module.path)):
            continue
        for node in ast.walk(module.tree):
            if frame is None or not isinstance(node, ast.Call) or maker(node, frame) != "Flask":
                continue
            kind = evaluate(node.func, frame)
            if isinstance(kind, Class) and "static_folder" in ast.unparse(kind.node):
                return None
            if called(node) != "Flask" and not isinstance(kind, Class):
                continue
            given = {item.arg: evaluate(item.value, frame) for item in node.keywords if item.arg}
            folder, url = given.get("static_folder", "static"), given.get("static_url_path")
            if not isinstance(folder, str) or url is UNKNOWN:
                return None
            url = url or f"/{folder.rstrip('/').rpartition('/')[2]}"
            here = module.path.rpartition("/")[0]
            inside = folder.strip("/") if not here else f"{here}/{folder.strip('/')}"
            place, _ = within(project, folder) if folder.startswith("/") else (inside, False)
            if place and project.has_directory(place) and str(url).strip("/"):
                return place, f"/{str(url).strip('/')}/"
            return None
    return None


def _migrations(project: Project, modules: list[str], result: Guess) -> None:
    used: set[str] = set()
    for name in modules:
        used |= project.imports[project.by_name[name].path]
    flask = _flask_name(result.entry.name)
    if "flask_migrate.upgrade" in used:
        result.release_hooks.append(_import_once(result.entry.name))
        result.checks.append(
            "migrations: it runs them itself when it starts; the release hook does that once, "
            "before several workers would at the same time"
        )
    elif "flask_migrate" in used and project.has_directory("migrations"):
        result.release_hooks.append(f"flask --app {flask} db upgrade")
    elif "flask_migrate" in used:
        result.checks.append(
            "migrations: it uses Flask-Migrate, and which command runs them is unclear"
        )
    else:
        _alembic(project, result)


def _alembic(project: Project, result: Guess) -> None:
    configurations = [
        path
        for path in project.named(["alembic.ini"])
        if path.count("/") < 3
        and not project.has(f"{path.rpartition('/')[0]}/script.py.mako")
        and not re.search(r"(^|/)(tests?|docs|examples)/", path)
    ]
    more = [path for path in project.named(["alembic.ini"]) if "migrations/" in path]
    if not configurations and more:
        folder = more[0].rpartition("/")[0]
        result.checks.append(
            f"migrations: they lie in {folder}, and which command runs them was not made out"
        )
    if configurations:
        option = "" if configurations[0] == "alembic.ini" else f"-c {configurations[0]} "
        importable = result.install or "PYTHONPATH" in result.env
        # Run as a module, alembic can import from the release's directory.
        bare = importable or "prepend_sys_path" in project.text(configurations[0])
        command = "alembic" if bare else "python -m alembic"
        result.release_hooks.append(f"{command} {option}upgrade head")


def _import_once(name: str) -> str:
    module, _, attribute = name.partition(":")
    if attribute.endswith("()"):
        function = attribute.removesuffix("()")
        return f'python -c "from {module} import {function}; {function}()"'
    return f'python -c "import {module}"'


def _flask_name(name: str) -> str:
    return name.removesuffix("()")


def database(file: Beside, result: Guess) -> None:
    """Moves a SQLite file that would be lost with its release, if a variable can set its path;
    reports it otherwise."""
    urls = [name for name in file.variables if re.search(r"UR[LI]$|DATABASE$|_DB$", name)]
    last = file.path.rpartition("/")[2]
    if len(urls) == 1 and urls[0] not in {*result.env, *result.given}:
        result.env[urls[0]] = "sqlite:////srv/{name}/shared/data/" + last
        result.share("data")
        return
    if urls and urls[0] in {*result.env, *result.given}:
        return
    result.checks.append(
        f"database: {file.path} lies "
        + ("outside of what outlives releases" if file.path.startswith("/") else "beside the code")
        + ", and is lost; point it to /srv/NAME/shared/data, and add data to shared"
    )
