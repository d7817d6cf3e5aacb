"""Paths that an application answers, as far as its decorators tell."""

from __future__ import annotations

import ast
import re

from groundcrew.newapp.project import Project
from groundcrew.newapp.syntax import called, last_name, text

DECORATORS = {"route", "get", "websocket", "api_route"}
HEALTH = re.compile(
    r"/(health|healthz|health_check|healthcheck|ready|readyz|livez|(?P<weak>ping|status))/?$"
)


def paths(project: Project) -> list[str]:
    """Literal paths of GET routes of the application object itself."""
    found = []
    for module in project.modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and called(node) == "Route" and node.args:
                found += [path for path in [text(node.args[0])] if path]
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for decorator in node.decorator_list:
                if (
                    isinstance(decorator, ast.Call)
                    and isinstance(decorator.func, ast.Attribute)
                    and decorator.func.attr in DECORATORS
                    and last_name(decorator.func.value) in ("app", "application")
                    and decorator.args
                    and (path := text(decorator.args[0]))
                ):
                    found.append(path)
    return found


def health(found: list[str]) -> str | None:
    """The path that looks like a health check; else a page without arguments."""
    plain = [path for path in found if not re.search(r"[<{]", path)]
    matches = [match for path in plain if (match := HEALTH.search(path))]
    checks = [m.string for m in sorted(matches, key=lambda m: (bool(m["weak"]), len(m.string)))]
    return checks[0] if checks else "/" if "/" in plain else min(plain, default=None, key=len)
