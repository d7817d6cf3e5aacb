"""Which environment variables the source asks for, and which it cannot start without."""

from __future__ import annotations

import ast
import re

from groundcrew.newapp.project import Project
from groundcrew.newapp.syntax import last_name, text

SECRET = re.compile(r"SECRET|PASSWORD|PASSWD|TOKEN|KEY$|DSN$|DATABASE_URL|CREDENTIAL")
OWN = re.compile(r"SECRET_KEY|SIGNING_KEY|SESSION_KEY|SALT$")
"""Secrets that nobody else needs to know: the host can make them up."""
GIVEN = {"PATH", "HOME", "LANG", "USER", "TZ", "PYTHONPATH", "DJANGO_SETTINGS_MODULE"}
READERS = {"get", "getenv", "setdefault"}


def required(project: Project) -> list[str]:
    """Variables that are read as `os.environ["NAME"]`: without them there is a KeyError."""
    found: set[str] = set()
    for module in project.modules:
        for node in ast.walk(module.tree):
            if (
                isinstance(node, ast.Subscript)
                and isinstance(node.ctx, ast.Load)
                and last_name(node.value) == "environ"
                and (name := text(node.slice))
            ):
                found.add(name)
    return sorted(found - GIVEN)


def optional(project: Project) -> list[str]:
    """Variables that are read with a default, or without one that matters."""
    found: set[str] = set()
    for module in project.modules:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call) or last_name(node.func) not in READERS:
                continue
            owner = node.func.value if isinstance(node.func, ast.Attribute) else None
            if last_name(owner) not in ("environ", "os") and last_name(node.func) != "getenv":
                continue
            if node.args and (name := text(node.args[0])) and re.fullmatch("[A-Z][A-Z0-9_]*", name):
                found.add(name)
    return sorted(found - GIVEN - set(required(project)))
