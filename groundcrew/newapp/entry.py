"""Finds the WSGI or ASGI callable."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from groundcrew.newapp import evidence, needs
from groundcrew.newapp.project import Module, Project
from groundcrew.newapp.reading.expressions import evaluate
from groundcrew.newapp.reading.reader import Frame, Reader
from groundcrew.newapp.reading.values import Class, Dotted, Function, Instance
from groundcrew.newapp.syntax import assignments, called, last_name

Framework = Literal["Flask", "FastAPI", "Starlette", "Django", "other"]

# Function or class -> framework, interface. Earlier entries win if a project has several: an ASGI
# application may contain others.
MAKERS: dict[str, tuple[Framework, str]] = {
    # Django with WebSockets.
    "ProtocolTypeRouter": ("Django", "asgi"),
    "get_wsgi_application": ("Django", "wsgi"),
    "get_asgi_application": ("Django", "asgi"),
    "FastAPI": ("FastAPI", "asgi"),
    "Starlette": ("Starlette", "asgi"),
    "Flask": ("Flask", "wsgi"),
    "APIFlask": ("Flask", "wsgi"),
    "OpenAPI": ("Flask", "wsgi"),
    "Quart": ("other", "asgi"),
    "Litestar": ("other", "asgi"),
    "Sanic": ("other", "asgi"),
    "Bottle": ("other", "wsgi"),
    "default_app": ("other", "wsgi"),
    "make_wsgi_app": ("other", "wsgi"),
}
ORDER = list(MAKERS)
COMMON = ("application", "app", "wsgi", "asgi", "main", "server")
"""Usual names of callables and of the modules that contain them."""
HELPERS = re.compile(
    r"(^|\.)(test\w*|debug\w*|dev\w*|local\w*|conftest|mock\w*|fixtures|example\w*|"
    r"demo\w*|sandbox|playground|manage|cli|export|import|celery\w*|worker\w*)$"
)
"""Modules that create an application besides the real one."""
SIGNS = (*MAKERS, "create_app", "make_app", "start_response", "receive", "application")
"""A module without one of these words, or a class derived from one, contains no application."""
HANDLED = {"route", "get", "post", "put", "include_router", "register_blueprint", "mount",
           "add_url_rule", "add_route", "init_app", "middleware", "add_middleware"}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """The callable: its name, framework and interface."""

    name: str
    framework: Framework
    interface: str
    module: Module | None = None
    started: bool = False
    """Whether a start script of the project uses it."""


def find(project: Project) -> list[Entry]:
    """All callables, the most likely first."""
    reader = Reader(project)
    known = [*_started(project, reader)]
    ranked = [
        (*_rank(entry, maker), entry)
        for module in project.modules
        for entry, maker in _entries(module, reader)
    ]
    others = [item[-1] for item in sorted(ranked, key=lambda item: item[:-1])]
    entries = [*known, *others]
    return [item for index, item in enumerate(entries) if _is_new(item, entries[:index])]


@cache
def signs(project: Project) -> re.Pattern[str]:
    """Pattern for modules that may contain an application; others are skipped."""
    known = {*SIGNS}
    classes = [
        (node.name, {last_name(base) for base in node.bases})
        for module in project.modules
        for node in module.tree.body
        if isinstance(node, ast.ClassDef)
    ]
    while more := {name for name, bases in classes if bases & known} - known:
        known |= more
    return re.compile(rf"\b({'|'.join(sorted(known))})\b")


def _is_new(item: Entry, before: list[Entry]) -> bool:
    names = {other.name.removesuffix("()") for other in before}
    return item.name.removesuffix("()") not in names


def _started(project: Project, reader: Reader) -> Iterator[Entry]:
    """Callables that the project's start scripts pass to servers, if the project contains them."""
    for target, server in [*needs.entrypoints(project), *evidence.targets(project)]:
        name, _, attribute = target.partition(":")
        module = project.by_name.get(name)
        frame = reader.read(name)
        plain = attribute.removesuffix("()")
        if module is None or frame is None or plain not in frame.names:
            continue
        value = reader.member(name, plain)
        maker = made_by(value, reader) or _of_name(module, plain, reader)
        framework, interface = MAKERS.get(maker, ("other", _interface(server)))
        if name.endswith((".wsgi", ".asgi")) and framework == "other" and is_django(project):
            framework, interface = "Django", name[-4:]
        factory = isinstance(value, Function) and not _is_callable(value.node)
        whole = f"{name}:{plain}()" if factory else target
        yield Entry(whole, framework, interface, module, started=True)


def _of_name(module: Module, name: str, reader: Reader) -> str:
    frame = reader.read(module.name)
    for key, value in assignments(module.tree.body):
        if key == name and frame is not None:
            return maker(value, frame)
    return ""


def _interface(server: str) -> str:
    return "asgi" if server in ("uvicorn", "hypercorn", "daphne", "fastapi") else "wsgi"


def is_django(project: Project) -> bool:
    """Whether the project has a manage.py of Django."""
    return any(
        path.endswith("manage.py") and "django" in project.text(path).lower()
        for path in project.trees
    )


def _rank(entry: Entry, made: str) -> tuple[bool, int, bool, int, int, bool, int, str]:
    module, _, name = entry.name.partition(":")
    last = module.rpartition(".")[2]
    return (
        entry.module is not None and entry.module.aside,
        ORDER.index(made) if made in ORDER else len(ORDER),
        bool(HELPERS.search(module)),
        # An entry module that imports an application completes it.
        0 if last in ("wsgi", "asgi") else 1 if last in COMMON else 2,
        -min(_handled(entry), 1),
        name.startswith("_"),
        name.endswith("()") + module.count("."),
        entry.name,
    )


def _handled(entry: Entry) -> int:
    """Number of routes, middlewares and the like that the module adds to the callable."""
    name = entry.name.partition(":")[2].removesuffix("()")
    if entry.module is None or entry.name.endswith("()"):
        return 1
    return sum(
        isinstance(node, ast.Attribute) and node.attr in HANDLED and last_name(node.value) == name
        for node in ast.walk(entry.module.tree)
    )


def maker(value: ast.expr | None, frame: Frame) -> str:
    """Name of the function or class, preferably one of MAKERS, that creates a value."""
    if not isinstance(value, ast.Call):
        return ""
    name = called(value)
    if name in MAKERS:
        return name
    function = evaluate(value.func, frame)
    if isinstance(function, Class | Function):
        return made_by(function, frame.reader) or name
    # Middleware around an application: `ProxyFix(app)`.
    for argument in [*value.args, *(item.value for item in value.keywords)]:
        inner = maker(argument, frame)
        if isinstance(argument, ast.Name):
            module = frame.reader.project.by_name.get(frame.module)
            for key, item in assignments(module.tree.body) if module else ():
                inner = maker(item, frame) if key == argument.id and item is not value else inner
        if inner in MAKERS:
            return inner
    return name


def _is_maker(value: ast.expr, frame: Frame) -> bool:
    """Whether a call creates an application instead of receiving one as an argument."""
    return isinstance(value, ast.Call) and bool(made_by(evaluate(value.func, frame), frame.reader))


def made_by(value: object, reader: Reader) -> str:
    """The one of MAKERS that a class derives from or a function returns; empty if there is none."""
    if isinstance(value, Class):
        return next((name for name in MAKERS if value.derives_from(name)), "")
    if isinstance(value, Function):
        frame = reader.read(value.module)
        return (_made_in(value.node, frame) or "") if frame else ""
    if isinstance(value, Instance):
        return made_by(value.of, reader)
    if isinstance(value, Dotted):
        return value.last if value.last in MAKERS else ""
    return ""


def _entries(module: Module, reader: Reader) -> Iterator[tuple[Entry, str]]:
    if not signs(reader.project).search(reader.project.text(module.path)):
        return
    frame = reader.read(module.name)
    if frame is None or frame.reader.project.by_name.get(module.name) is not module:
        return
    factories = {
        node.name: made
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef)
        and (made := _made_in(node, frame))
        and not _needed(node)
    }
    django = is_django(reader.project) and module.name.rpartition(".")[2] in ("wsgi", "asgi")
    for name, value in assignments(module.tree.body):
        made = factories.get(called(value)) or maker(value, frame)
        if made != called(value) and name not in COMMON and made not in factories.values():
            # The call receives an application and is not one itself.
            made = made if _is_maker(value, frame) else ""
        if django and name == "application" and made not in MAKERS:
            made = f"get_{module.name[-4:]}_application"
        if made in MAKERS:
            yield _entry(module, name, made)
        elif made in ("create_app", "make_app") and name in COMMON:
            # The factory is in another module, which determines the framework.
            yield _entry(module, name, "")
    for name, made in factories.items():
        yield _entry(module, f"{name}()", made)
    for node in module.tree.body:
        arguments = _arguments(node)
        if arguments == ["environ", "start_response"]:
            made = "get_wsgi_application" if django else ""
            yield _entry(module, node.name, made, "wsgi")  # type: ignore[attr-defined]
        if arguments == ["scope", "receive", "send"]:
            made = "get_asgi_application" if django else ""
            yield _entry(module, node.name, made, "asgi")  # type: ignore[attr-defined]


def _entry(module: Module, name: str, made: str, interface: str = "wsgi") -> tuple[Entry, str]:
    framework, interface = MAKERS.get(made, ("other", interface))
    return Entry(f"{module.name}:{name}", framework, interface, module), made


def _made_in(function: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> str | None:
    """The one of MAKERS that a function returns; None if there is none."""
    known = frame.reader.made
    if id(function) not in known:
        known[id(function)] = ""
        known[id(function)] = _made_first(function, frame)
    return known[id(function)] or None


def _made_first(function: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> str:
    inner = frame.inside({})
    for node in ast.walk(function):
        if isinstance(node, ast.ImportFrom | ast.Import):
            frame.reader.bind(node, inner)
    made = {name: maker(value, inner) for name, value in assignments(function.body)}
    for node in ast.walk(function):
        if isinstance(node, ast.Return):
            name = node.value.id if isinstance(node.value, ast.Name) else ""
            kind = made.get(name) or maker(node.value, inner)
            if kind in MAKERS:
                return kind
    return ""


def _needed(function: ast.FunctionDef) -> int:
    """Number of required positional arguments."""
    arguments = function.args
    return len(arguments.posonlyargs + arguments.args) - len(arguments.defaults)


def _arguments(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [argument.arg for argument in node.args.args]
    return []


def _is_callable(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is a WSGI or ASGI callable itself, not a factory."""
    return _arguments(node) in (["environ", "start_response"], ["scope", "receive", "send"])


def chosen(project: Project, name: str) -> Entry:
    """The entry that the user names."""
    for item in find(project):
        if item.name.removesuffix("()") == name.removesuffix("()"):
            return replace(item, name=name)
    module = project.by_name.get(name.partition(":")[0])
    return Entry(name, "other", "wsgi", module)
