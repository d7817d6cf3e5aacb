"""Effects of statements on names."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from groundcrew.newapp.reading import calls
from groundcrew.newapp.reading.expressions import evaluate, truth
from groundcrew.newapp.reading.values import UNKNOWN, Class, Dotted, Function, Imported, ModuleRef

if TYPE_CHECKING:
    from groundcrew.newapp.reading.reader import Frame


def run(body: list[ast.stmt], frame: Frame) -> bool:
    """Follows a block. Returns whether it ends early (return, raise)."""
    return any(_statement(node, frame) for node in body)


def _statement(node: ast.stmt, frame: Frame) -> bool:
    if isinstance(node, ast.Return):
        value = evaluate(node.value, frame) if node.value else None
        frame.returned.append(UNKNOWN if frame.reader.conditional else value)
        return True
    if isinstance(node, ast.Raise | ast.Continue | ast.Break):
        return True
    if isinstance(node, ast.If):
        return _branch(node, frame)
    if isinstance(node, ast.Try):
        return _attempt(node, frame)
    if isinstance(node, ast.With | ast.AsyncWith):
        return run(node.body, frame)
    if isinstance(node, ast.For | ast.While | ast.AsyncFor):
        with frame.reader.maybe():
            _forget(node, frame)
            run(node.body, frame)
        frame.returned.clear()
        return False
    if isinstance(node, ast.Match):
        return _match(node, frame)
    _plain(node, frame)
    return False


def _plain(node: ast.stmt, frame: Frame) -> None:
    if isinstance(node, ast.Assign):
        _assign(node.targets, node.value, frame)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        _assign([node.target], node.value, frame)
    elif isinstance(node, ast.AugAssign):
        _add(node, frame)
    elif isinstance(node, ast.Import):
        _import(node, frame)
    elif isinstance(node, ast.ImportFrom):
        _import_from(node, frame)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        frame.names[node.name] = Function(node, frame.module)
    elif isinstance(node, ast.ClassDef):
        _class(node, frame)
    elif isinstance(node, ast.Expr):
        _expression(node.value, frame)


def _assign(targets: list[ast.expr], value: ast.expr, frame: Frame) -> None:
    for target in targets:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for name, part in zip(target.elts, value.elts, strict=False):
                _assign([name], part, frame)
            return
    with frame.reader.watching() as origins:
        result = evaluate(value, frame)
    for target in targets:
        if isinstance(target, ast.Name):
            _set(target.id, result, frozenset(origins), frame)
        elif isinstance(target, ast.Tuple):
            for name in target.elts:
                if isinstance(name, ast.Name):
                    _set(name.id, UNKNOWN, frozenset(origins), frame)
        elif isinstance(target, ast.Subscript):
            _set_item(target, result, frozenset(origins), frame)


def _set(name: str, value: Any, origins: frozenset[str], frame: Frame) -> None:
    if frame.reader.conditional and frame.names.get(name, UNKNOWN) is not UNKNOWN:
        # It may be set here; the known value from before is kept.
        return
    frame.names[name] = value
    frame.origins[name] = origins


def _set_item(target: ast.Subscript, value: Any, origins: frozenset[str], frame: Frame) -> None:
    owner, key = evaluate(target.value, frame), evaluate(target.slice, frame)
    if isinstance(owner, dict) and isinstance(key, str | int) and not frame.reader.conditional:
        owner[key] = value
        if isinstance(target.value, ast.Name):
            name = target.value.id
            frame.origins[name] = frame.origins.get(name, frozenset()) | origins
    elif owner == Dotted("os.environ") and isinstance(key, str) and isinstance(value, str):
        frame.reader.environment.setdefault(key, value)


def _add(node: ast.AugAssign, frame: Frame) -> None:
    if not isinstance(node.target, ast.Name):
        return
    old, new = frame.look_up(node.target.id), evaluate(node.value, frame)
    if isinstance(old, list | tuple):
        longer = isinstance(new, list | tuple) and len(old) + len(new) <= calls.LONGEST
        both: Any = [*old, *new] if longer else old
    elif isinstance(old, str) and isinstance(new, str) and isinstance(node.op, ast.Add):
        both = calls.small(old + new)
    else:
        both = UNKNOWN
    frame.names[node.target.id] = both


def _import(node: ast.Import, frame: Frame) -> None:
    for alias in node.names:
        known = alias.name in frame.reader.project.by_name
        if alias.asname:
            value = ModuleRef(alias.name) if known else Dotted(alias.name)
            frame.names[alias.asname] = value
        else:
            first = alias.name.partition(".")[0]
            inside = first in frame.reader.project.by_name or frame.reader.project.is_package(first)
            frame.names[first] = ModuleRef(first) if inside else Dotted(first)


def _import_from(node: ast.ImportFrom, frame: Frame) -> None:
    name = absolute(node, frame)
    project = frame.reader.project
    if name not in project.by_name and not project.is_package(name):
        for alias in node.names:
            frame.names[alias.asname or alias.name] = Dotted(f"{name}.{alias.name}")
        return
    for alias in node.names:
        if alias.name == "*":
            module = frame.reader.read(name)
            if module is None:
                continue
            for key, value in module.names.items():
                if not key.startswith("_"):
                    frame.names[key] = value
                    frame.origins[key] = module.origins.get(key, frozenset())
        else:
            frame.names[alias.asname or alias.name] = Imported(name, alias.name)


def absolute(node: ast.ImportFrom, frame: Frame) -> str:
    """The absolute name of the module in `from ..x import y`."""
    return frame.reader.project.absolute(node, frame.module)


def _class(node: ast.ClassDef, frame: Frame) -> None:
    inner = frame.inside({})
    run(node.body, inner)
    bases = tuple(evaluate(base, frame) for base in node.bases)
    frame.names[node.name] = Class(node, frame.module, inner.names, bases, inner.origins)


def _expression(node: ast.expr, frame: Frame) -> None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        owner = evaluate(node.func.value, frame)
        if isinstance(owner, list) and node.args and not frame.reader.conditional:
            value = evaluate(node.args[-1], frame)
            if node.func.attr == "extend" and isinstance(value, list | tuple):
                owner.extend(value[: max(0, calls.LONGEST - len(owner))])
            elif node.func.attr in ("append", "insert"):
                owner.append(value)
            return
        if isinstance(owner, dict) and node.func.attr == "update" and node.args:
            value = evaluate(node.args[0], frame)
            if isinstance(value, dict) and not frame.reader.conditional:
                owner.update(value)
            return
        if owner == Dotted("os.environ") and node.func.attr == "setdefault" and len(node.args) > 1:
            key, value = evaluate(node.args[0], frame), evaluate(node.args[1], frame)
            if isinstance(key, str) and isinstance(value, str):
                frame.reader.environment.setdefault(key, value)
            return
    evaluate(node, frame)


def _branch(node: ast.If, frame: Frame) -> bool:
    with frame.reader.watching() as origins:
        known = truth(evaluate(node.test, frame))
    if known is None:
        with frame.reader.maybe():
            run(node.body, frame)
            run(node.orelse, frame)
        return False
    taken = node.body if known else node.orelse
    if taken and isinstance(taken[-1], ast.Raise):
        if len(origins) > 1:
            # One of them may be enough.
            frame.reader.demand_one(origins)
        else:
            frame.reader.demand(origins)
        # If variables decide, assume that they are set and go on.
        return not origins
    return run(taken, frame)


def _attempt(node: ast.Try, frame: Frame) -> bool:
    if node.handlers:
        # Missing variables are caught.
        missing = frame.reader.demanded
        frame.reader.demanded = {}
        left = run(node.body, frame)
        frame.reader.demanded = missing
    else:
        left = run(node.body, frame)
    for handler in node.handlers:
        with frame.reader.maybe():
            run(handler.body, frame)
    return run([*node.orelse, *node.finalbody], frame) or left


def _match(node: ast.Match, frame: Frame) -> bool:
    subject = evaluate(node.subject, frame)
    for case in node.cases:
        pattern = case.pattern
        if isinstance(pattern, ast.MatchValue):
            value = evaluate(pattern.value, frame)
            if subject is not UNKNOWN and value == subject:
                return run(case.body, frame)
        elif isinstance(pattern, ast.MatchAs) and pattern.pattern is None:
            if subject is not UNKNOWN:
                return run(case.body, frame)
        else:
            break
    return False


def _forget(node: ast.For | ast.While | ast.AsyncFor, frame: Frame) -> None:
    if isinstance(node, ast.For | ast.AsyncFor) and isinstance(node.target, ast.Name):
        frame.names[node.target.id] = UNKNOWN


def bound(
    function: Function, arguments: list[Any], given: dict[str, Any], outer: Frame
) -> dict[str, Any]:
    """A function's parameters, bound to these arguments."""
    wanted = function.node.args
    names = [item.arg for item in (*wanted.posonlyargs, *wanted.args)]
    parameters: dict[str, Any] = {}
    for name, default in zip(reversed(names), reversed(wanted.defaults), strict=False):
        parameters[name] = evaluate(default, outer)
    for item, standard in zip(wanted.kwonlyargs, wanted.kw_defaults, strict=True):
        if standard is not None:
            parameters[item.arg] = evaluate(standard, outer)
    parameters |= dict(zip(names, arguments, strict=False))
    return {**dict.fromkeys(names, UNKNOWN), **parameters, **given}
