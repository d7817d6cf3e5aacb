"""Finds the paths of FastAPI, Starlette and Flask applications, through routers and blueprints."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from groundcrew.newapp.project import Project
from groundcrew.newapp.reading.expressions import evaluate
from groundcrew.newapp.reading.reader import Frame, Reader
from groundcrew.newapp.reading.values import UNKNOWN, Class, Dotted, Instance, ModuleRef
from groundcrew.newapp.syntax import last_name

DECORATORS = {"route", "get", "websocket", "api_route", "websocket_route"}
JOINS = {"include_router", "register_blueprint", "mount"}
APPLICATIONS = {"FastAPI", "Starlette", "Flask", "APIFlask", "OpenAPI", "Quart"}
PARTS = {"APIRouter", "Blueprint", "APIBlueprint", "Router"}
SIGNS = re.compile(
    "Router|Blueprint|include_router|add_url_rule|add_route|add_api_route|"
    r"\.(route|get|websocket|mount)\(|routes="
)
"""A module without one of these has no routes."""
Key = tuple[str, int]
"""Identity of a router: its module, and the line that creates it."""


@dataclass(frozen=True)
class Route:
    """A GET route without its prefix."""

    path: str
    function: ast.FunctionDef | ast.AsyncFunctionDef | None = None


@dataclass
class Node:
    """A router or application: its routes, and the routers that it includes, with their
    prefixes."""

    prefix: str | None = ""
    is_application: bool = False
    routes: list[Route] = field(default_factory=list)
    parts: list[tuple[Key, str | None]] = field(default_factory=list)


class Graph:
    """All routers of the given modules."""

    def __init__(self, project: Project, reader: Reader, modules: list[str]) -> None:
        self.nodes: dict[Key, Node] = {}
        self.reader = reader
        for name in modules:
            module, frame = project.by_name.get(name), reader.read(name)
            if module is not None and frame is not None and SIGNS.search(project.text(module.path)):
                self._block(module.tree.body, frame)

    def paths(self) -> list[Route]:
        """All full paths that an application certainly has."""
        routes: list[Route] = []
        mounted = {key for node in self.nodes.values() for key, _ in node.parts}
        for key, node in self.nodes.items():
            if node.is_application and key not in mounted:
                routes += self._below(node, node.prefix, ())
        return routes

    def _below(self, node: Node, prefix: str | None, seen: tuple[int, ...]) -> Iterator[Route]:
        if prefix is None or id(node) in seen:
            return
        for route in node.routes:
            yield Route(_join(prefix, route.path), route.function)
        for key, own in node.parts:
            inner = self.nodes.get(key)
            if inner is None or own is None:
                continue
            yield from self._below(inner, _join(prefix, own), (*seen, id(node)))

    def _block(self, body: list[ast.stmt], frame: Frame) -> None:
        """Follows statements that are certainly reached, and functions, which are assumed to be
        called."""
        for node in body:
            if isinstance(node, ast.If | ast.For | ast.While):
                continue
            if isinstance(node, ast.Try | ast.With | ast.ClassDef):
                self._block(node.body, frame)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._decorated(node, frame)
                self._block(node.body, self._inside(node, frame))
            elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
                self._node(evaluate(node.value, frame))
                self._routes_in(node.value, frame)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self._joined(node.value, frame)

    def _inside(self, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> Frame:
        names: dict[str, object] = {item.arg: UNKNOWN for item in node.args.args}
        for argument in node.args.args:
            if argument.arg in ("app", "application"):
                names[argument.arg] = self.application
        inner = frame.inside(names)
        for item in ast.walk(node):
            if isinstance(item, ast.Import | ast.ImportFrom):
                frame.reader.bind(item, inner)
        for item in node.body:
            if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
                value = evaluate(item.value, inner)
                inner.names[item.targets[0].id] = value
        return inner

    application = Dotted("the application")

    def _key(self, value: object) -> Key | None:
        if value == self.application:
            return "", 0
        if not isinstance(value, Instance):
            return None
        known = _kind(value) in APPLICATIONS | PARTS
        return (value.module, value.call.lineno) if known else None

    def _node(self, value: object) -> Node | None:
        key = self._key(value)
        if key is None:
            return None
        if key in self.nodes:
            return self.nodes[key]
        outermost = not isinstance(value, Instance) or _kind(value) in APPLICATIONS
        node = self.nodes[key] = Node(is_application=outermost)
        if isinstance(value, Instance) and not outermost:
            node.prefix = self._prefix(value.call, self.reader.read(value.module))
        return node

    def _prefix(self, call: ast.Call, frame: Frame | None) -> str | None:
        for keyword in call.keywords:
            if keyword.arg in ("prefix", "url_prefix") and frame is not None:
                value = evaluate(keyword.value, frame)
                if value is None:
                    return ""
                return value if isinstance(value, str) else None
        return ""

    def _decorated(self, function: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> None:
        for decorator in function.decorator_list:
            if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
                continue
            node = self._node(evaluate(decorator.func.value, frame))
            if node is None or decorator.func.attr not in DECORATORS or not _is_get(decorator):
                continue
            path = _path(decorator, frame)
            if path is not None:
                node.routes.append(Route(path, function))

    def _routes_in(self, call: ast.Call, frame: Frame) -> None:
        """Routes of Starlette's `routes=[Route("/x", f), Mount("/y", routes=[...])]`."""
        if last_name(call.func) not in APPLICATIONS:
            return
        for keyword in call.keywords:
            if keyword.arg == "routes":
                node = self.nodes.setdefault((frame.module, call.lineno), Node(is_application=True))
                node.routes += _listed(keyword.value, frame, "")

    def _joined(self, call: ast.Call, frame: Frame) -> None:
        if not isinstance(call.func, ast.Attribute):
            return
        name = call.func.attr
        if name in ("add_api_route", "add_url_rule", "add_route"):
            node = self._node(evaluate(call.func.value, frame))
            path = _path(call, frame)
            if node is not None and path is not None and _is_get(call):
                node.routes.append(Route(path))
        if name not in JOINS or not call.args:
            return
        node = self._node(evaluate(call.func.value, frame))
        place = 1 if name == "mount" and len(call.args) > 1 else 0
        inner = evaluate(call.args[place], frame)
        if isinstance(inner, ModuleRef):
            return
        key = self._key(inner)
        part = self._node(inner)
        if node is None or key is None or part is None or key == ("", 0):
            return
        node.parts.append((key, self._joint(name, call, part, frame)))

    def _joint(self, name: str, call: ast.Call, part: Node, frame: Frame) -> str | None:
        """The prefix of an included router; None if it is unknown."""
        given = self._prefix(call, frame)
        if name == "mount":
            path = evaluate(call.args[0], frame)
            return path if isinstance(path, str) else None
        if given is None or part.prefix is None:
            return None
        if name == "register_blueprint":
            # In Flask it replaces the blueprint's own prefix.
            return given or part.prefix
        return _join(given, part.prefix)


def _kind(value: Instance) -> str:
    if isinstance(value.of, Class):
        for name in (*APPLICATIONS, *PARTS):
            if value.of.derives_from(name):
                return name
    return value.kind


def _listed(node: ast.expr, frame: Frame, prefix: str) -> Iterator[Route]:
    if isinstance(node, ast.Name):
        module = frame.reader.project.by_name.get(frame.module)
        for item in module.tree.body if module else []:
            if isinstance(item, ast.Assign) and last_name(item.targets[0]) == node.id:
                yield from _listed(item.value, frame, prefix)
        return
    for part in node.elts if isinstance(node, ast.List | ast.Tuple) else []:
        if not isinstance(part, ast.Call) or not part.args:
            continue
        path = evaluate(part.args[0], frame)
        if not isinstance(path, str):
            continue
        if last_name(part.func) == "Route":
            yield Route(_join(prefix, path))
        elif last_name(part.func) == "Mount":
            for keyword in part.keywords:
                if keyword.arg == "routes":
                    yield from _listed(keyword.value, frame, _join(prefix, path))


def _path(call: ast.Call, frame: Frame) -> str | None:
    if call.args:
        value = evaluate(call.args[0], frame)
        return value if isinstance(value, str) else None
    for keyword in call.keywords:
        if keyword.arg in ("path", "rule"):
            value = evaluate(keyword.value, frame)
            return value if isinstance(value, str) else None
    return None


def _is_get(call: ast.Call) -> bool:
    for keyword in call.keywords:
        if keyword.arg == "methods":
            return "GET" in ast.unparse(keyword.value).upper()
    return True


def _join(prefix: str, path: str) -> str:
    if not path:
        return prefix
    return f"{prefix.rstrip('/')}/{path.lstrip('/')}"
