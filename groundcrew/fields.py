"""Walks the settings models: which keys may stand where, and what they are for."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by the key that users write."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def members(annotation: Any) -> list[Any]:
    """The types that an annotation allows: of a union every member, `Annotated` unwrapped."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return members(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [found for arg in get_args(annotation) for found in members(arg)]
    return [annotation]


def models(annotation: Any) -> list[type[BaseModel]]:
    """The settings models among them."""
    return [kind for kind in members(annotation) if _is_model(kind)]


def inside(annotation: Any) -> list[Any]:
    """Annotations of the values of a mapping, or of the items of a list; else none."""
    found: list[Any] = []
    for kind in members(annotation):
        origin = get_origin(kind)
        if origin in (dict, Mapping):
            found.append(get_args(kind)[1])
        elif origin in (list, tuple):
            found += [arg for arg in get_args(kind) if arg is not Ellipsis]
    return found


def chosen(annotation: Any, value: Any) -> list[type[BaseModel]]:
    """The settings models among them that `value` is one of, where its key `type` tells; else
    all."""
    found = models(annotation)
    if not isinstance(value, Mapping):
        return found
    return [item for item in found if _takes(item, value)] or found


def _takes(model: type[BaseModel], value: Mapping[Any, Any]) -> bool:
    info = model.model_fields.get("type")
    return info is None or value.get("type", info.get_default()) in get_args(info.annotation)


def at(model: type[BaseModel], path: Iterable[str], data: Any = None) -> list[Any]:
    """Annotations of what may stand at `path` in `data`."""
    kinds: list[Any] = [model]
    for part in path:
        found: list[Any] = []
        for kind in kinds:
            found += inside(kind)
            found += [fields(item)[part].annotation for item in chosen(kind, data)
                      if part in fields(item)]  # fmt: skip
        kinds = found
        data = _value(data, (part,))
    return kinds


def known_keys(model: type[BaseModel], path: Sequence[str], data: Any = None) -> set[str]:
    """Keys that may stand in the mapping at `path` in `data`."""
    value = _value(data, path)
    return {
        key
        for kind in at(model, path, data)
        for item in chosen(kind, value)
        for key in fields(item)
    }


def elsewhere(model: type[BaseModel], path: Sequence[str]) -> str | None:
    """Where the last key of `path` would be known, deeper in the mapping that it stands in."""
    *parents, key = path
    found: list[tuple[str, ...]] = [
        inner
        for kind in at(model, parents)
        for item in models(kind)
        for inner in _paths(item)
        if inner[-1] == key
    ]
    shortest = min(found, key=len, default=())
    return ".".join(shortest) or None


def _paths(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    for key, info in fields(model).items():
        yield (key,)
        for item in models(info.annotation):
            for inner in _paths(item):
                yield (key, *inner)


def about(model: type[BaseModel], path: Sequence[str], data: Any = None) -> str:
    """The first sentence about the field at `path` in `data`, or about the one whose item it is."""
    for end in range(len(path), 0, -1):
        parents = path[: end - 1]
        for kind in at(model, parents, data):
            for item in chosen(kind, _value(data, parents)):
                info = fields(item).get(path[end - 1])
                if info is not None:
                    return first_sentence(info.description or "")
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
