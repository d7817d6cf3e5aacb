"""Everything that the source tells about how to run it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from groundcrew.newapp import django, entry, environment, frontend, needs, routes
from groundcrew.newapp.django import DjangoSettings
from groundcrew.newapp.entry import Entry
from groundcrew.newapp.frontend import FrontendGuess
from groundcrew.newapp.project import Project
from groundcrew.newapp.syntax import imported, strings

SQLITE = re.compile(r"(?:sqlite(?:\+\w+)?:///)?(?!/)([\w./-]+)/[\w-]+\.(?:db|sqlite3?)")
"""The path of a SQLite file, or an URL with one, that is not absolute."""


@dataclass
class Guess:
    """What was found; `checks` are sentences for the person who deploys it."""

    entry: Entry
    requirements: str | None
    install: bool = False
    health: str | None = None
    build_hooks: list[str] = field(default_factory=list)
    release_hooks: list[str] = field(default_factory=list)
    static: tuple[str, str] | None = None
    media: tuple[str, str] | None = None
    shared: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    hosts_from: list[str] = field(default_factory=list)
    generated: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    frontend: FrontendGuess | None = None
    checks: list[str] = field(default_factory=list)


class NothingFoundError(Exception):
    """The directory holds no application that could be recognised; the message says why."""


def guess(project: Project, chosen: str | None = None) -> Guess:
    """Looks at a project. `chosen` is the entry, where the person knows it.

    Raises NothingFoundError where there is none.
    """
    found = entry.find(project)
    best = next((item for item in found if item.name == chosen), None) if chosen else None
    best = best or (found[0] if found and not chosen else None)
    if best is None and chosen:
        best = Entry(chosen, "other", "wsgi")
    if best is None:
        raise NothingFoundError(
            "no WSGI or ASGI application found (Flask, FastAPI, Starlette, Django, "
            "application(environ, start_response)); say where it is: --entry package.module:name"
        )
    result = Guess(best, needs.requirements(project), install=project.packaged)
    others = [item.name for item in found if item is not best][:3]
    if others and best.framework != "Django":
        result.checks.append(f"entry: {best.name} was taken; there are also {', '.join(others)}")
    _requirements(project, result)
    _variables(project, result)
    if best.framework == "Django":
        _django(project, result)
    else:
        _others(project, result)
    _files(project, result)
    result.frontend, notes = frontend.find(project)
    result.checks += notes
    return result


def _requirements(project: Project, result: Guess) -> None:
    if result.requirements is None:
        result.checks.append(
            "requirements: there is no uv.lock, requirements.txt or pyproject.toml with "
            "dependencies; without one only the server is installed"
        )
    elif result.requirements != "uv.lock" and "--hash=" not in project.text(result.requirements):
        result.checks.append(
            f"requirements: {result.requirements} has no hashes, so that the next release may get "
            "other versions; uv lock, or uv pip compile --generate-hashes, pins them"
        )
    asked = needs.python(project)
    if asked:
        result.checks.append(f"python: it asks for {asked}; Debian 12 has 3.11, Debian 13 3.13")


def _variables(project: Project, result: Guess) -> None:
    for name in environment.required(project):
        if environment.OWN.search(name):
            result.generated.append(name)
        elif environment.SECRET.search(name):
            result.given.append(name)
        else:
            result.env[name] = ""
            result.checks.append(f"env: {name} is required; fill in its value")
    if result.given:
        result.checks.append(
            f"secrets: export {', '.join(result.given)} before you deploy, or name another source"
        )
    known = environment.optional(project)
    # What falls back to a value in the source is known to everybody who has the source.
    result.generated += [name for name in known if environment.OWN.search(name)]
    known = [name for name in known if name not in result.generated]
    if known:
        result.checks.append(f"env: it also reads {', '.join(known)}")


def _django(project: Project, result: Guess) -> None:
    settings = django.find(project)
    if settings is None:
        result.checks.append("Django: no settings module found; set DJANGO_SETTINGS_MODULE in env")
        return
    result.env = {"DJANGO_SETTINGS_MODULE": settings.module, **result.env}
    manage = "python manage.py" if project.has("manage.py") else "django-admin"
    result.release_hooks.append(f"{manage} migrate --noinput")
    if settings.static_root:
        # Builds have no secrets; settings that ask for one get something else.
        names = [*result.generated, *result.given]
        prefix = "".join(f"{name}=only-for-the-build " for name in names)
        result.build_hooks.append(f"{prefix}{manage} collectstatic --noinput")
        result.static = (settings.static_root, settings.static_url)
    else:
        result.checks.append(
            "static: STATIC_ROOT is not set in the source (STATIC_ROOT = BASE_DIR / "
            '"staticfiles"); without it nginx cannot serve the static files'
        )
    _media(settings, result)
    _django_database(settings, result)
    _django_health(settings, project, result)
    result.hosts_from = settings.hosts_from
    if not settings.hosts_from:
        result.checks.append("Django: ALLOWED_HOSTS must contain the domains below")


def _media(settings: DjangoSettings, result: Guess) -> None:
    if settings.media_root and settings.media_url:
        result.media = (settings.media_root, settings.media_url)
    elif settings.media_root:
        result.shared.append(settings.media_root)


def _django_database(settings: DjangoSettings, result: Guess) -> None:
    if settings.sqlite is None:
        return
    folder = settings.sqlite.rpartition("/")[0]
    if folder:
        result.shared.append(folder)
    else:
        result.checks.append(
            f"database: {settings.sqlite} lies beside the code, which is read-only and replaced by "
            'each release; move it into a directory (BASE_DIR / "data" / ...), '
            "and add that to shared"
        )


def _django_health(settings: DjangoSettings, project: Project, result: Guess) -> None:
    urls = "".join(project.text(path) for path in project.files if path.endswith("urls.py"))
    check = re.search(r"path\(\s*['\"]((?:[\w-]+/)*health\w*/?)['\"]", urls)
    admin = re.search(r"path\(\s*['\"]([\w/-]+)['\"]\s*,\s*admin\.site\.urls", urls)
    if check:
        result.health = f"/{check[1]}"
    elif admin and settings.admin:
        result.health = f"/{admin[1].strip('/')}/login/"


def _others(project: Project, result: Guess) -> None:
    module = result.entry.module
    if result.entry.framework != "other":
        result.health = routes.health(routes.paths(project))
    if module is not None and result.entry.framework == "Flask":
        folder = "/".join(module.path.split("/")[:-1])
        static = f"{folder}/static".lstrip("/")
        if project.has_directory(static):
            result.static = (static, "/static/")
    uses = set().union(*(imported(item.tree) for item in project.modules))
    if "flask_migrate" in uses and project.has_directory("migrations"):
        result.release_hooks.append(f"flask --app {_flask_name(result.entry.name)} db upgrade")
    elif project.has("alembic.ini"):
        result.release_hooks.append("alembic upgrade head")


def _flask_name(name: str) -> str:
    return name.removesuffix("()")


def _files(project: Project, result: Guess) -> None:
    """Directories of SQLite files that the source names by a relative path."""
    for module in project.modules:
        for match in filter(None, map(SQLITE.fullmatch, strings(module.tree))):
            folder = match[1].removeprefix("./")
            if not folder.startswith("..") and folder not in result.shared:
                result.shared.append(folder)
