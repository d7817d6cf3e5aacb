"""Evaluates expressions, as far as the source determines them."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from groundcrew.newapp.reading import calls, environment
from groundcrew.newapp.reading.values import (
    UNKNOWN,
    Class,
    Dotted,
    Function,
    Instance,
    ModuleRef,
    Read,
)

if TYPE_CHECKING:
    from groundcrew.newapp.reading.reader import Frame

COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: lambda left, right: left is right,
    ast.IsNot: lambda left, right: left is not right,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
ERRORS = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError)
"""Exceptions that a call with these values may raise; the value is unknown then."""


def truth(value: Any) -> bool | None:
    """Truth value; None if it is unknown."""
    if is_open(value):
        return None
    return True if isinstance(value, ModuleRef | Instance) else bool(value)


def is_open(value: Any) -> bool:
    """Whether a value comes from outside the project, so that nothing more is known."""
    return (
        value is UNKNOWN
        or isinstance(value, Dotted)
        or (isinstance(value, Instance) and isinstance(value.of, Dotted))
    )


def evaluate(node: ast.expr | None, frame: Frame) -> Any:
    """The value of an expression; UNKNOWN if it depends on running the code."""
    if node is None or not frame.reader.step():
        return UNKNOWN
    handler = HANDLERS.get(type(node))
    if handler is None:
        return UNKNOWN
    with suppress(*ERRORS, RecursionError):
        return calls.small(handler(node, frame))
    return UNKNOWN


def _name(node: ast.Name, frame: Frame) -> Any:
    return frame.look_up(node.id)


def _attribute(node: ast.Attribute, frame: Frame) -> Any:
    return _member(evaluate(node.value, frame), node.attr, frame)


def _member(value: Any, name: str, frame: Frame) -> Any:
    if isinstance(value, Dotted):
        if value.name == "django.conf.settings" and frame.reader.settings is not None:
            return frame.reader.settings.get(name, UNKNOWN)
        return Dotted(f"{value.name}.{name}")
    if isinstance(value, ModuleRef):
        return frame.reader.member(value.name, name)
    if isinstance(value, Class):
        return value.get(name)
    if isinstance(value, Instance) and isinstance(value.of, Class):
        return _of_instance(value, value.of, name, frame)
    if isinstance(value, PurePosixPath) and name in ("parent", "name", "stem", "suffix"):
        return getattr(value, name)
    if isinstance(value, PurePosixPath) and name == "parents":
        return list(value.parents)
    return UNKNOWN


def _of_instance(value: Instance, of: Class, name: str, frame: Frame) -> Any:
    for keyword in value.call.keywords:
        if keyword.arg == name:
            return UNKNOWN
    member = of.get(name)
    if isinstance(member, Function):
        # A property is evaluated; a method is not a value.
        return frame.reader.inline(member, [value], {}) if member.node.decorator_list else UNKNOWN
    return member


def _subscript(node: ast.Subscript, frame: Frame) -> Any:
    value, key = evaluate(node.value, frame), evaluate(node.slice, frame)
    if value == Dotted("os.environ") and isinstance(key, str):
        return frame.reader.variable(Read(key, demanded=True))
    if value is UNKNOWN or key is UNKNOWN or isinstance(value, Dotted):
        return UNKNOWN
    return value[key]


def _either(node: ast.BoolOp, frame: Frame) -> Any:
    stop = isinstance(node.op, ast.Or)
    value: Any = UNKNOWN
    unknown = False
    for item in node.values:
        value = evaluate(item, frame)
        known = truth(value)
        if known is stop:
            return value if not unknown or (stop and _is_place(value)) else UNKNOWN
        unknown = unknown or known is None
    return UNKNOWN if unknown else value


def _is_place(value: Any) -> bool:
    """Whether a value is a path, which is useful even as a fallback for something unknown."""
    return isinstance(value, PurePosixPath) or (isinstance(value, str) and value.startswith("/"))


def _not(node: ast.UnaryOp, frame: Frame) -> Any:
    value = evaluate(node.operand, frame)
    if isinstance(node.op, ast.Not):
        known = truth(value)
        return UNKNOWN if known is None else not known
    return -value if isinstance(node.op, ast.USub) and isinstance(value, int | float) else UNKNOWN


def _binary(node: ast.BinOp, frame: Frame) -> Any:
    left, right = evaluate(node.left, frame), evaluate(node.right, frame)
    if isinstance(node.op, ast.Add) and isinstance(left, list | tuple):
        # The known part of a list is still useful.
        longer = isinstance(right, list | tuple) and len(left) + len(right) <= calls.LONGEST
        return [*left, *right] if longer else left
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if isinstance(node.op, ast.Div) and isinstance(left, PurePosixPath):
        return left / calls.text(right)
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Mult) and isinstance(left, int) and isinstance(right, int):
        return left * right
    if isinstance(node.op, ast.Mod) and isinstance(left, str):
        return calls.percent(left, right)
    if isinstance(node.op, ast.BitOr) and isinstance(left, dict) and isinstance(right, dict):
        return left | right
    return UNKNOWN


def _compare(node: ast.Compare, frame: Frame) -> Any:
    left = evaluate(node.left, frame)
    for operation, item in zip(node.ops, node.comparators, strict=True):
        right = evaluate(item, frame)
        if right == Dotted("os.environ") and isinstance(left, str):
            frame.reader.note(Read(left))
            known = left in frame.reader.environment
            return known if isinstance(operation, ast.In) else not known
        if is_open(left) or is_open(right) or not calls.is_plain(left):
            return UNKNOWN
        if not COMPARISONS[type(operation)](left, right):
            return False
        left = right
    return True


def _choice(node: ast.IfExp, frame: Frame) -> Any:
    known = truth(evaluate(node.test, frame))
    if known is None:
        return UNKNOWN
    return evaluate(node.body if known else node.orelse, frame)


def _formatted(node: ast.JoinedStr, frame: Frame) -> Any:
    parts = []
    for item in node.values:
        inner = item.value if isinstance(item, ast.FormattedValue) else item
        value = evaluate(inner, frame)
        if not isinstance(value, str | int | float | PurePosixPath):
            return UNKNOWN
        parts.append(str(value))
    return "".join(parts)


def _items(node: ast.List | ast.Tuple | ast.Set, frame: Frame) -> Any:
    items: list[Any] = []
    for item in node.elts:
        if isinstance(item, ast.Starred):
            value = evaluate(item.value, frame)
            items += value if isinstance(value, list | tuple) else []
        else:
            items.append(evaluate(item, frame))
    return tuple(items) if isinstance(node, ast.Tuple) else items


def _mapping(node: ast.Dict, frame: Frame) -> Any:
    mapping: dict[Any, Any] = {}
    for key, item in zip(node.keys, node.values, strict=True):
        value = evaluate(item, frame)
        if key is None:
            mapping |= value if isinstance(value, dict) else {}
        elif isinstance(name := evaluate(key, frame), str | int):
            mapping[name] = value
    return mapping


def _comprehension(node: ast.ListComp | ast.GeneratorExp | ast.SetComp, frame: Frame) -> Any:
    if len(node.generators) != 1 or not isinstance(node.generators[0].target, ast.Name):
        return UNKNOWN
    over = evaluate(node.generators[0].iter, frame)
    if not isinstance(over, list | tuple):
        return UNKNOWN
    results = []
    for item in over[:100]:
        inner = frame.inside({node.generators[0].target.id: item})
        tests = [truth(evaluate(test, inner)) for test in node.generators[0].ifs]
        if None in tests:
            return UNKNOWN
        if all(tests):
            results.append(evaluate(node.elt, inner))
    return results


def _named(node: ast.NamedExpr, frame: Frame) -> Any:
    value = evaluate(node.value, frame)
    frame.names[node.target.id] = value
    return value


def _call(node: ast.Call, frame: Frame) -> Any:
    owner: Any = UNKNOWN
    if isinstance(node.func, ast.Attribute):
        owner = evaluate(node.func.value, frame)
        function = _member(owner, node.func.attr, frame)
    else:
        function = evaluate(node.func, frame)
    read = environment.read(node, function, owner, frame)
    if read is not None:
        return read[0]
    arguments = [evaluate(item, frame) for item in node.args]
    given = {item.arg: evaluate(item.value, frame) for item in node.keywords if item.arg}
    if isinstance(function, Class):
        return Instance(function, node, frame.module)
    if isinstance(function, Function):
        value = frame.reader.inline(function, arguments, given)
        return environment.helper(node, frame) if value is UNKNOWN else value
    if isinstance(function, Dotted):
        return _outside(function, node, arguments, given, frame)
    if isinstance(node.func, ast.Attribute):
        if UNKNOWN not in (owner, *arguments):
            return calls.method(owner, node.func.attr, arguments)
        return UNKNOWN
    return environment.helper(node, frame)


def _outside(
    function: Dotted, node: ast.Call, arguments: list[Any], given: dict[str, Any], frame: Frame
) -> Any:
    if function.name == "any" and arguments and isinstance(arguments[0], list):
        return UNKNOWN if UNKNOWN in arguments[0] else any(arguments[0])
    if function.name in calls.KNOWN:
        if any(value is UNKNOWN for value in arguments):
            return UNKNOWN
        return calls.KNOWN[function.name](*arguments, **given)
    if function.last == "strtobool" and arguments:
        return calls.word(arguments[0])
    return Instance(function, node, frame.module)


HANDLERS: dict[type[ast.expr], Callable[[Any, Frame], Any]] = {
    ast.Constant: lambda node, _: node.value,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.BoolOp: _either,
    ast.UnaryOp: _not,
    ast.BinOp: _binary,
    ast.Compare: _compare,
    ast.IfExp: _choice,
    ast.JoinedStr: _formatted,
    ast.List: _items,
    ast.Tuple: _items,
    ast.Set: _items,
    ast.Dict: _mapping,
    ast.ListComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.SetComp: _comprehension,
    ast.NamedExpr: _named,
    ast.Call: _call,
    ast.Await: lambda node, frame: evaluate(node.value, frame),
}
