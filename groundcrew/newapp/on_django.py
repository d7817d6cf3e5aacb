"""Derives a manifest from a Django project's settings and URLs."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from groundcrew.newapp import django, django_data, evidence, health, urls
from groundcrew.newapp.django import DjangoSettings
from groundcrew.newapp.layout import Place
from groundcrew.newapp.reading.values import UNKNOWN, path

if TYPE_CHECKING:
    from groundcrew.newapp.guess import Guess

BUILD = "only-for-the-build"
PROBE = "x.test"
"""Placeholder for the real domain."""
REMOTE = re.compile(r"s3|boto|gcloud|google|azure|dropbox", re.IGNORECASE)


def settings(place: Place) -> DjangoSettings | None:
    """The project's settings for production."""
    return django.find(place.project, place.best)


def look(place: Place, settings: DjangoSettings | None, result: Guess) -> None:
    """Adds everything that follows from Django's settings."""
    project = place.project
    if settings is None:
        result.checks.append("Django: no settings module found; set DJANGO_SETTINGS_MODULE in env")
        return
    result.env = {"DJANGO_SETTINGS_MODULE": settings.module, **result.env}
    _chosen(settings, result)
    manage = django.manage(project)
    command = f"python {manage}" if manage else "django-admin"
    result.release_hooks.append(f"{command} migrate --noinput")
    if settings.frame is not None:
        for name, value in _off(settings, "DEBUG", result).items():
            result.env[name] = value
        _redirect(settings, result)
        django_data.databases(settings, result)
        _media(settings, result)
        _hosts(settings, result)
        result.health = _health(settings)
    _static(settings, command, result)


def _chosen(settings: DjangoSettings, result: Guess) -> None:
    project = settings.project
    if settings.frame is None:
        result.checks.append(
            f"Django: the source names {settings.module}, and does not have it: bring it with "
            "`files`, or set DJANGO_SETTINGS_MODULE to another; nothing of it could be read"
        )
        return
    if settings.instead:
        result.checks.append(
            f"Django: the source names {settings.instead}, which it does not have; "
            f"{settings.module} was taken"
        )
    if django.DEVELOPMENT.search(settings.module.rpartition(".")[2]):
        result.checks.append(
            f"Django: {settings.module} looks like settings for development, and there "
            "are no others"
        )
    folder = project.by_name[settings.module].path.rpartition("/")[0]
    examples = [
        name
        for name in project.files
        if name.rpartition("/")[0] == folder
        and re.search(r"(example|sample|template|dist)(\.py)?$", name)
        and not re.search(r"\b(dev|local)", name.rpartition("/")[2])
    ]
    if examples:
        result.checks.append(
            f"Django: {examples[0]} is an example of settings for production; settings of your own "
            "go into the release with `files`"
        )


def _off(settings: DjangoSettings, name: str, result: Guess) -> dict[str, str]:
    """Variables that turn a switch off, if it is on by default."""
    value = settings.get(name, False)
    if value is not UNKNOWN and not value:
        return {}
    switch = settings.switch(name)
    if switch is not None:
        return dict([switch])
    known = (
        f"{name} is on in {settings.module}"
        if value is True
        else f"whether {name} is on is unclear"
    )
    result.checks.append(
        f"Django: {known}, and no variable turns it off: visitors would see errors with code and "
        "settings"
    )
    return {}


def _redirect(settings: DjangoSettings, result: Guess) -> None:
    if settings.get("SECURE_SSL_REDIRECT") is not True:
        return
    switch = settings.switch("SECURE_SSL_REDIRECT")
    if switch is not None:
        result.env[switch[0]] = switch[1]
        result.checks.append(
            f"Django: {switch[0]} is off until the manifest has `tls`: without it every answer "
            "would be a redirect; take it out then"
        )
    else:
        result.checks.append(
            "Django: SECURE_SSL_REDIRECT answers plain HTTP with redirects only, the health check "
            "too: the manifest needs `tls`, and the settings SECURE_PROXY_SSL_HEADER"
        )


def _static(settings: DjangoSettings, command: str, result: Guess) -> None:
    root, outside = settings.place("STATIC_ROOT")
    if _is_remote(settings, "staticfiles"):
        result.checks.append(
            "static: STORAGES keeps static files elsewhere; nothing is collected here"
        )
        return
    if root is None and outside:
        root = _moved(settings, "STATIC_ROOT", "staticfiles", result)
        if root is None:
            result.checks.append(
                f"static: STATIC_ROOT is {path(settings.get('STATIC_ROOT'))}, outside of the "
                "source, and no variable changes it; put it into the source"
            )
            return
    if root is None:
        reason = (
            "could not be made out"
            if settings.get("STATIC_ROOT") is UNKNOWN
            else ('is not set in the source (STATIC_ROOT = BASE_DIR / "staticfiles")')
        )
        result.checks.append(
            f"static: STATIC_ROOT {reason}; without it nginx cannot serve the static files"
        )
        return
    url = _url("STATIC_URL", settings, result) or "/static/"
    result.static = (root, url)
    if settings.project.has(f"{root}/staticfiles.json"):
        result.checks.append(
            f"static: the source brings {root} as collectstatic has left it; it is served as it is"
        )
        return
    result.build_hooks.append(f"{_for_builds(settings, result)}{command} collectstatic --noinput")


def _for_builds(settings: DjangoSettings, result: Guess) -> str:
    """Variables for a build command, which has neither `env` nor secrets: required ones get
    placeholders."""
    manage = django.manage(settings.project)
    named = django.NAMED.search(settings.project.text(manage)) if manage else None
    values = {}
    for name, value in result.env.items():
        if name == "DJANGO_SETTINGS_MODULE" and named and named[1] == value:
            continue
        if name == "PYTHONPATH" and manage:
            continue
        if not value.startswith("/srv/"):
            values[name] = _build_value(name) if name in result.open else value
    asked = [name for name in result.hosts_from if name in settings.reader.demanded]
    secrets = [*result.generated, *result.given]
    values |= {name: _build_value(name) for name in [*asked, *secrets]}
    return "".join(f"{name}={shlex.quote(value)} " for name, value in values.items())


def _build_value(name: str) -> str:
    """A placeholder that settings can be read with, while no service is available."""
    if re.search(r"(DATABASE|DB)_UR[LI]$", name):
        return "sqlite://:memory:"
    if name.endswith("ENGINE"):
        # Django loads it together with the models.
        return "django.db.backends.sqlite3"
    if re.search(r"(PORT|SIZE|COUNT|TIMEOUT)$", name):
        return "1"
    return "redis://127.0.0.1" if re.search(r"REDIS|BROKER|CACHE_URL", name) else BUILD


def _moved(settings: DjangoSettings, name: str, folder: str, result: Guess) -> str | None:
    """Moves a path from outside into the source, if a variable can set it."""
    for variable in settings.origins(name):
        if settings.given(**{variable: folder}).place(name)[0] == folder:
            result.env[variable] = folder
            return folder
    return None


def _media(settings: DjangoSettings, result: Guess) -> None:
    root, outside = settings.place("MEDIA_ROOT")
    if _is_remote(settings, "default"):
        return
    if root is None and outside:
        root = _moved(settings, "MEDIA_ROOT", "media", result)
        if root is None:
            result.checks.append(
                f"media: MEDIA_ROOT is {path(settings.get('MEDIA_ROOT'))}, outside of the source; "
                "uploaded files must be in a directory that outlives releases"
            )
            return
    if root is None:
        if settings.get("MEDIA_ROOT") is UNKNOWN:
            result.checks.append("media: MEDIA_ROOT could not be made out")
        return
    url = _url("MEDIA_URL", settings, result)
    if url:
        result.media = (root, url)
    else:
        result.share(root)


def _is_remote(settings: DjangoSettings, kind: str) -> bool:
    """Whether files are stored on a remote service."""
    storages = settings.get("STORAGES")
    entry = storages.get(kind) if isinstance(storages, dict) else None
    backend = entry.get("BACKEND") if isinstance(entry, dict) else None
    old = "STATICFILES_STORAGE" if kind == "staticfiles" else "DEFAULT_FILE_STORAGE"
    return any(
        isinstance(item, str) and REMOTE.search(item) for item in (backend, settings.get(old))
    )


def _url(name: str, settings: DjangoSettings, result: Guess) -> str | None:
    value = settings.get(name)
    if not isinstance(value, str) or not value.strip("/"):
        return None
    if "://" in value or value.startswith("//"):
        parts = urlsplit(value)
        result.checks.append(
            f"Django: {name} is {value}: it must name the site that visitors use, and {parts.path} "
            "is what nginx serves there"
        )
        value = parts.path
    return f"/{value.strip('/')}/" if value.strip("/") else None


def _hosts(settings: DjangoSettings, result: Guess) -> None:
    value = settings.get("ALLOWED_HOSTS", [])
    reads = [name for name in settings.reader.reads if "ALLOWED_HOST" in name]
    for variable in dict.fromkeys([*settings.origins("ALLOWED_HOSTS"), *reads]):
        hosts = settings.given(**{variable: PROBE}).get("ALLOWED_HOSTS")
        if isinstance(hosts, list | tuple) and PROBE in hosts:
            result.hosts_from.append(variable)
            _answered(variable, result)
            return
        if (
            hosts is UNKNOWN
            and variable in settings.origins("ALLOWED_HOSTS")
            and "HOST" in variable
        ):
            result.hosts_from.append(variable)
            result.checks.append(
                f"Django: {variable} becomes ALLOWED_HOSTS, and how is unclear; one name was set"
            )
            return
    if isinstance(value, list | tuple) and "*" in value:
        return
    result.checks.append("Django: ALLOWED_HOSTS must contain the domains below")


def _answered(variable: str, result: Guess) -> None:
    """Withdraws the remark that a person must fill in a variable."""
    if variable in result.open:
        result.open.remove(variable)
        result.env.pop(variable)
        result.checks = [item for item in result.checks if not item.startswith(f"env: {variable} ")]


def _health(settings: DjangoSettings) -> str | None:
    root = settings.get("ROOT_URLCONF")
    if root is None:
        parents = settings.module.split(".")[:-1]
        names = (".".join([*parents[:count], "urls"]) for count in range(len(parents), -1, -1))
        root = next((name for name in names if name in settings.project.by_name), None)
    known = urls.routes(settings.project, settings.reader, root) if isinstance(root, str) else []
    paths = [route.path for route in known]
    checks = [route.path for route in known if route.view.startswith("health check of")]
    best = (
        health.best(paths, weak=False)
        or next(iter(checks), None)
        or evidence.health(settings.project)
    )
    if best is not None:
        return best
    has_admin = "django.contrib.admin" in settings.applications
    for route in known:
        if has_admin and route.view == "admin.site.urls":
            return f"/{route.path.strip('/')}/login/"
    logins = [route.path for route in known if "LoginView" in route.view]
    return min(logins, default=None, key=len)
