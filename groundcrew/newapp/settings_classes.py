"""Classes whose fields pydantic reads from the environment."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from groundcrew.newapp.reading.expressions import evaluate
from groundcrew.newapp.reading.reader import Frame
from groundcrew.newapp.reading.values import UNKNOWN, Class, Instance
from groundcrew.newapp.syntax import called, last_name, strings, text


@dataclass(frozen=True)
class Field:
    """A field, and the variable that it is read from."""

    name: str
    required: bool
    annotation: str
    choices: tuple[str, ...] = ()
    default: Any = UNKNOWN
    own: str = ""
    """Name without the prefix."""


def fields(frame: Frame) -> list[Field]:
    """The variables of the settings classes that this module defines and instantiates."""
    declared: dict[str, Field] = {}
    for value in list(frame.names.values()):
        if isinstance(value, Class) and value.module == frame.module and _is_settings(value):
            if not _is_used(value, frame):
                continue
            for item in _of(value, frame, _prefix(value, frame), _given(value, frame)):
                known = declared.get(item.name)
                if known is None or item.required:
                    declared[item.name] = item
    return list(declared.values())


def _is_settings(value: Class) -> bool:
    return value.derives_from("BaseSettings")


def _is_used(value: Class, frame: Frame) -> bool:
    """Whether a class is instantiated; base classes may not be."""
    derived = any(
        isinstance(other, Class) and value in other.bases for other in frame.names.values()
    )
    return not derived or bool(list(_made(value, frame)))


def _made(value: Class, frame: Frame) -> Iterator[tuple[ast.Call, ast.Module]]:
    module = frame.reader.project.by_name[frame.module]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and called(node) == value.node.name:
            yield node, module.tree


def _given(value: Class, frame: Frame) -> set[str]:
    """Fields that are passed as arguments when the class is instantiated."""
    names: set[str] = set()
    for call, tree in _made(value, frame):
        for keyword in call.keywords:
            if keyword.arg:
                names.add(keyword.arg.lower())
            elif isinstance(keyword.value, ast.Name):
                names |= _keys(tree, keyword.value.id)
    return names


def _keys(tree: ast.Module, name: str) -> set[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Dict):
            continue
        if name in map(last_name, node.targets):
            return {key.lower() for item in node.value.keys if (key := text(item))}
    return set()


def _of(value: Class, frame: Frame, prefix: str, given: set[str]) -> Iterator[Field]:
    """The fields of a class, inherited ones first, without those in `given`."""
    for base in value.bases:
        if isinstance(base, Class) and _is_settings(base):
            yield from _of(base, frame.reader.read(base.module) or frame, prefix, given)
    for node in value.node.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        name = node.target.id
        annotation = ast.unparse(node.annotation)
        if name.startswith(("_", "model_config")) or "ClassVar" in annotation:
            continue
        kind = evaluate(node.annotation, frame)
        if isinstance(kind, Class) and not kind.derives_from("Enum", "StrEnum", "IntEnum"):
            # A nested model: its fields have variables of their own, or it is JSON.
            continue
        if name.lower() in given:
            continue
        yield Field(
            _variable(node.value, prefix + name).upper(),
            _is_required(node.value),
            annotation,
            tuple(strings(node.annotation)) if "Literal" in annotation else (),
            _default(node.value, frame),
            name.upper(),
        )


def _prefix(value: Class, frame: Frame) -> str:
    """The prefix of its variables, its own or an inherited one."""
    own = _own_prefix(value, frame)
    if own is not None:
        return own
    bases = (base for base in value.bases if isinstance(base, Class))
    return next((prefix for base in bases if (prefix := _prefix(base, frame))), "")


def _own_prefix(value: Class, frame: Frame) -> str | None:
    config = value.names.get("model_config")
    prefix: Any = None
    if isinstance(config, Instance):
        for keyword in config.call.keywords:
            if keyword.arg == "env_prefix":
                prefix = evaluate(keyword.value, frame)
    elif isinstance(config, dict):
        prefix = config.get("env_prefix")
    elif isinstance(inner := value.names.get("Config"), Class):
        prefix = inner.names.get("env_prefix")
    return prefix if isinstance(prefix, str) else None


def _variable(value: ast.expr | None, name: str) -> str:
    if isinstance(value, ast.Call) and last_name(value.func) == "Field":
        for keyword in value.keywords:
            if keyword.arg in ("env", "alias", "validation_alias"):
                return text(keyword.value) or next(iter(strings(keyword.value)), name)
    return name


def _is_required(value: ast.expr | None) -> bool:
    if value is None:
        return True
    if isinstance(value, ast.Call) and last_name(value.func) == "Field":
        if value.args:
            return isinstance(value.args[0], ast.Constant) and value.args[0].value is ...
        return not any(item.arg in ("default", "default_factory") for item in value.keywords)
    return isinstance(value, ast.Constant) and value.value is ...


def _default(value: ast.expr | None, frame: Frame) -> Any:
    if isinstance(value, ast.Call) and last_name(value.func) == "Field":
        inner = value.args[0] if value.args else None
        for keyword in value.keywords:
            inner = keyword.value if keyword.arg == "default" else inner
        return evaluate(inner, frame)
    return evaluate(value, frame)
