"""What a Django project's settings say."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from groundcrew.newapp.project import Module, Project
from groundcrew.newapp.syntax import assignments, strings, text


@dataclass(frozen=True)
class DjangoSettings:
    """The settings that a deployment needs to know."""

    module: str
    static_root: str | None = None
    static_url: str = "/static/"
    media_root: str | None = None
    media_url: str | None = None
    sqlite: str | None = None
    admin: bool = False
    hosts_from: list[str] = field(default_factory=list)


def find(project: Project) -> DjangoSettings | None:
    """The settings module that manage.py, wsgi.py or asgi.py names; else one called so."""
    named = None
    for module in project.modules:
        match = re.search(
            r"DJANGO_SETTINGS_MODULE['\"]\s*[,\]]?\s*[,=]?\s*['\"]([\w.]+)['\"]",
            project.text(module.path),
        )
        if match:
            named = match[1]
            break
    for module in project.modules:
        if module.name == named or (named is None and module.name.endswith("settings")):
            return _read(module)
    return DjangoSettings(named) if named else None


def _read(module: Module) -> DjangoSettings:
    values = dict(assignments(module.tree.body))
    databases = strings(values["DATABASES"]) if "DATABASES" in values else []
    applications = strings(values["INSTALLED_APPS"]) if "INSTALLED_APPS" in values else []
    hosts = values.get("ALLOWED_HOSTS")
    return DjangoSettings(
        module=module.name,
        static_root=_path(values.get("STATIC_ROOT")),
        static_url=_url(text(values.get("STATIC_URL"))) or "/static/",
        media_root=_path(values.get("MEDIA_ROOT")),
        media_url=_url(text(values.get("MEDIA_URL"))),
        sqlite=_sqlite(values, databases),
        admin="django.contrib.admin" in applications,
        hosts_from=[name for name in strings(hosts) if name.isupper()] if hosts else [],
    )


def _path(node: ast.expr | None) -> str | None:
    """`BASE_DIR / "a" / "b"`, `os.path.join(BASE_DIR, "a")` and `"a"` are all relative paths."""
    if node is None:
        return None
    parts = strings(node)
    if not parts or parts[0].startswith("/") or any(".." in part for part in parts):
        return None
    return "/".join(parts).strip("/") or None


def _sqlite(values: dict[str, ast.expr], databases: list[str]) -> str | None:
    if not any("sqlite3" in value and "backends" in value for value in databases):
        return None
    for node in ast.walk(values["DATABASES"]):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if text(key) == "NAME":
                    return _path(value)
    return None


def _url(url: str | None) -> str | None:
    return f"/{url.strip('/')}/" if url and url.strip("/") and "://" not in url else None
