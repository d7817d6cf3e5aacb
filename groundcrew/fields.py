"""Walks the settings models: which keys are allowed where, and what they mean."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from groundcrew.descriptions import descriptions


def fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by the key that users write."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def described(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings below a model's fields, by the key that users write."""
    by_name = descriptions(model)
    return {
        key: by_name[name]
        for key, name in zip(fields(model), model.model_fields, strict=True)
        if name in by_name
    }


def members(annotation: Any) -> list[Any]:
    """The types that an annotation allows: every member of a union, with `Annotated` unwrapped."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return members(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [member for arg in get_args(annotation) for member in members(arg)]
    return [annotation]


def models(annotation: Any) -> list[type[BaseModel]]:
    """The settings models among the types that an annotation allows."""
    return [kind for kind in members(annotation) if _is_model(kind)]


def inside(annotation: Any) -> list[Any]:
    """The annotations of a mapping's values or of a list's items; empty for other annotations."""
    annotations: list[Any] = []
    for kind in members(annotation):
        origin = get_origin(kind)
        if origin in (dict, Mapping):
            annotations.append(get_args(kind)[1])
        elif origin in (list, tuple):
            annotations += [arg for arg in get_args(kind) if arg is not Ellipsis]
    return annotations


def chosen(annotation: Any, value: Any) -> list[type[BaseModel]]:
    """The settings models that an annotation allows for `value`, selected by its key `type`; all if
    there is no match."""
    candidates = models(annotation)
    if not isinstance(value, Mapping):
        return candidates
    return [item for item in candidates if _takes(item, value)] or candidates


def _takes(model: type[BaseModel], value: Mapping[Any, Any]) -> bool:
    info = model.model_fields.get("type")
    return info is None or value.get("type", info.get_default()) in get_args(info.annotation)


def at(model: type[BaseModel], path: Iterable[str], data: Any = None) -> list[Any]:
    """The annotations of the values that are allowed at `path` in `data`."""
    kinds: list[Any] = [model]
    for part in path:
        annotations: list[Any] = []
        for kind in kinds:
            annotations += inside(kind)
            annotations += [fields(item)[part].annotation for item in chosen(kind, data)
                      if part in fields(item)]  # fmt: skip
        kinds = annotations
        data = _value(data, (part,))
    return kinds


def known_keys(model: type[BaseModel], path: Sequence[str], data: Any = None) -> set[str]:
    """The keys that are allowed in the mapping at `path` in `data`."""
    value = _value(data, path)
    return {
        key
        for kind in at(model, path, data)
        for item in chosen(kind, value)
        for key in fields(item)
    }


def nested_path(model: type[BaseModel], path: Sequence[str]) -> str | None:
    """The shortest dotted path at which the last key of `path` is allowed, within the mapping that
    contains it; None if there is none."""
    *parents, key = path
    paths: list[tuple[str, ...]] = [
        inner
        for kind in at(model, parents)
        for item in models(kind)
        for inner in _paths(item)
        if inner[-1] == key
    ]
    shortest = min(paths, key=len, default=())
    return ".".join(shortest) or None


def _paths(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    for key, info in fields(model).items():
        yield (key,)
        for item in models(info.annotation):
            for inner in _paths(item):
                yield (key, *inner)


def about(model: type[BaseModel], path: Sequence[str], data: Any = None) -> str:
    """The first sentence of the description of the field at `path` in `data`, or of the field that
    contains it."""
    for end in range(len(path), 0, -1):
        parents = path[: end - 1]
        for kind in at(model, parents, data):
            for item in chosen(kind, _value(data, parents)):
                if path[end - 1] in fields(item):
                    return first_sentence(described(item).get(path[end - 1], ""))
    return ""


def _value(data: Any, path: Iterable[str]) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def first_sentence(text: str) -> str:
    """The text up to its first full stop, on one line."""
    line = re.sub(r"\s+", " ", text).strip()
    return re.split(r"(?<=\.)(?<!e\.g\.)\s", line, maxsplit=1)[0]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
