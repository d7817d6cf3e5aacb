"""Finds the paths of a Django project's URL configuration."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from groundcrew.newapp.project import Project
from groundcrew.newapp.reading.expressions import evaluate, truth
from groundcrew.newapp.reading.reader import Frame, Reader
from groundcrew.newapp.syntax import called, last_name, text

DEPTH = 6
CHECKS = {"health_check.urls": "", "watchman.urls": "ping/", "django_healthz.urls": "",
          "health_check.contrib": ""}  # fmt: skip
"""Packages for health checks -> the path, relative to theirs, that answers 200."""


@dataclass(frozen=True)
class Route:
    """A path without arguments, and the expression of its view."""

    path: str
    view: str


def routes(project: Project, reader: Reader, module: str) -> list[Route]:
    """All paths that a URL configuration certainly has."""
    return list(_module(project, reader, module, "/", 0))


def _module(
    project: Project, reader: Reader, name: str, prefix: str, depth: int
) -> Iterator[Route]:
    module, frame = project.by_name.get(name), reader.read(name)
    if module is None or frame is None or depth > DEPTH:
        return
    for node in _patterns(module.tree.body, frame):
        yield from _list(node, frame, prefix, depth)


def _patterns(body: list[ast.stmt], frame: Frame) -> Iterator[ast.expr]:
    """The expressions in urlpatterns, including those added later, unless a condition is
    unknown."""
    for node in body:
        if isinstance(node, ast.If):
            known = truth(evaluate(node.test, frame))
            if known is not None:
                yield from _patterns(node.body if known else node.orelse, frame)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(last_name(target) == "urlpatterns" for target in targets) and node.value:
                yield node.value
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            if (
                isinstance(function, ast.Attribute)
                and function.attr in ("append", "extend")
                and last_name(function.value) == "urlpatterns"
            ):
                yield from node.value.args


def _list(node: ast.expr, frame: Frame, prefix: str, depth: int) -> Iterator[Route]:
    if depth > DEPTH:
        return
    if isinstance(node, ast.List | ast.Tuple):
        for item in node.elts:
            yield from _list(item, frame, prefix, depth)
    elif isinstance(node, ast.Starred):
        yield from _list(node.value, frame, prefix, depth)
    elif isinstance(node, ast.BinOp):
        yield from _list(node.left, frame, prefix, depth)
        yield from _list(node.right, frame, prefix, depth)
    elif isinstance(node, ast.Name):
        module = frame.reader.project.by_name.get(frame.module)
        for name, value in _assigned(module.tree.body if module else []):
            if name == node.id:
                yield from _list(value, frame, prefix, depth + 1)
    elif isinstance(node, ast.Call) and called(node) in ("path", "re_path", "url") and node.args:
        yield from _path(node, frame, prefix, depth)


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _path(node: ast.Call, frame: Frame, prefix: str, depth: int) -> Iterator[Route]:
    pattern = evaluate(node.args[0], frame)
    view = node.args[1] if len(node.args) > 1 else None
    for keyword in node.keywords:
        view = keyword.value if keyword.arg == "view" else view
    if not isinstance(pattern, str) or view is None:
        return
    if called(node) != "path":
        plain = _plain(pattern)
        if plain is None:
            return
        pattern = plain
    if "<" in pattern:
        return
    whole = prefix + pattern.lstrip("/") if prefix.endswith("/") else prefix + pattern
    if isinstance(view, ast.Call) and called(view) == "include" and view.args:
        yield from _included(view.args[0], frame, whole, depth)
    else:
        yield Route(whole, ast.unparse(view))


def _included(node: ast.expr, frame: Frame, prefix: str, depth: int) -> Iterator[Route]:
    if isinstance(node, ast.Tuple) and node.elts:
        node = node.elts[0]
    name = text(node)
    if name is None:
        yield from _list(node, frame, prefix, depth + 1)
    elif name in CHECKS:
        yield Route(prefix + CHECKS[name], f"health check of {name}")
    else:
        yield from _module(frame.reader.project, frame.reader, name, prefix, depth + 1)


def _plain(pattern: str) -> str | None:
    """The text that a regular expression matches; None if it has variable parts."""
    text = pattern.removeprefix("^").removesuffix("$").removesuffix("/?")
    text = re.sub(r"\\([./-])", r"\1", text)
    return None if re.search(r"[\\()\[\]*+?|{}^$]", text) else text
