"""Finds the WSGI or ASGI callable."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from groundcrew.newapp.project import Module, Project
from groundcrew.newapp.syntax import assignments, called

Framework = Literal["Flask", "FastAPI", "Starlette", "Django", "other"]

# What a call makes -> framework, interface. Earlier ones win where a project has several: an ASGI
# application may hold others inside.
MAKERS: dict[str, tuple[Framework, str]] = {
    "get_wsgi_application": ("Django", "wsgi"),
    "get_asgi_application": ("Django", "asgi"),
    "FastAPI": ("FastAPI", "asgi"),
    "Starlette": ("Starlette", "asgi"),
    "Flask": ("Flask", "wsgi"),
    "Quart": ("other", "asgi"),
    "Litestar": ("other", "asgi"),
    "Sanic": ("other", "asgi"),
    "Bottle": ("other", "wsgi"),
    "default_app": ("other", "wsgi"),
    "make_wsgi_app": ("other", "wsgi"),
}
ORDER = list(MAKERS)
COMMON = ("application", "app", "wsgi", "asgi", "main", "server")
"""Usual names of callables and of the modules that hold them."""


@dataclass(frozen=True)
class Entry:
    """Where the callable is, and what it is."""

    name: str
    framework: Framework
    interface: str
    module: Module | None = None


def find(project: Project) -> list[Entry]:
    """All callables, the likeliest first."""
    ranked = [
        (*_rank(entry, maker), entry)
        for module in project.modules
        for entry, maker in _entries(module)
    ]
    return [item[-1] for item in sorted(ranked, key=lambda item: item[:-1])]


def _rank(entry: Entry, maker: str) -> tuple[int, int, int, str]:
    module, _, name = entry.name.partition(":")
    last = module.rpartition(".")[2]
    return (
        ORDER.index(maker) if maker in ORDER else len(ORDER),
        # An application that an entry module takes from elsewhere is finished there.
        0 if last in ("wsgi", "asgi") else 1 if last in COMMON else 2,
        name.endswith("()") + module.count("."),
        entry.name,
    )


def _entries(module: Module) -> Iterator[tuple[Entry, str]]:
    factories = {
        node.name: maker
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef) and (maker := _made_in(node)) and not _needed(node)
    }
    for name, value in assignments(module.tree.body):
        maker = called(value)
        if maker in factories:
            maker = factories[maker]
        if maker in MAKERS:
            yield _entry(module, name, maker)
        elif maker in ("create_app", "make_app") and name in COMMON:
            # The factory is in another module; which framework is seen there.
            yield _entry(module, name, "")
    for name, maker in factories.items():
        yield _entry(module, f"{name}()", maker)
    for node in module.tree.body:
        arguments = _arguments(node)
        if arguments == ["environ", "start_response"]:
            yield _entry(module, node.name, "", "wsgi")  # type: ignore[attr-defined]
        if arguments == ["scope", "receive", "send"]:
            yield _entry(module, node.name, "", "asgi")  # type: ignore[attr-defined]


def _entry(module: Module, name: str, maker: str, interface: str = "wsgi") -> tuple[Entry, str]:
    framework, interface = MAKERS.get(maker, ("other", interface))
    return Entry(f"{module.name}:{name}", framework, interface, module), maker


def _made_in(function: ast.FunctionDef) -> str | None:
    """What a function makes and gives back."""
    made = {name: called(value) for name, value in assignments(function.body)}
    for node in ast.walk(function):
        if isinstance(node, ast.Return):
            name = node.value.id if isinstance(node.value, ast.Name) else ""
            maker = made.get(name) or called(node.value)
            if maker in MAKERS:
                return maker
    return None


def _needed(function: ast.FunctionDef) -> int:
    """How many arguments a call must give."""
    arguments = function.args
    return len(arguments.posonlyargs + arguments.args) - len(arguments.defaults)


def _arguments(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [argument.arg for argument in node.args.args]
    return []
