"""Helpers for Python's syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def called(node: ast.expr | None) -> str:
    """The last part of the called name: `Flask` for `flask.Flask(...)`; empty if it is no call."""
    return last_name(node.func) if isinstance(node, ast.Call) else ""


def last_name(node: ast.AST | None) -> str:
    """The last part of a name: `c` for `a.b.c`; empty if it is no name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def text(node: ast.AST | None) -> str | None:
    """The value of a literal string; None if it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def assignments(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Names and assigned expressions, in this block and in nested `if` and `try` blocks."""
    for node in body:
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            yield from ((name, node.value) for name in names)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value
        elif isinstance(node, ast.If | ast.Try):
            yield from assignments([*node.body, *node.orelse])


def strings(node: ast.AST) -> list[str]:
    """Every literal string inside, in source order."""
    texts = [
        ((item.lineno, item.col_offset), item.value)
        for item in ast.walk(node)
        if isinstance(item, ast.Constant) and isinstance(item.value, str)
    ]
    return [value for _, value in sorted(texts, key=lambda item: item[0])]


def imported(tree: ast.Module) -> set[str]:
    """Top-level names of imported modules."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def modules_imported(tree: ast.Module) -> set[str]:
    """Full names of imported modules; `from a import b` counts as `a` and as `a.b`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names
