"""Turns merged values into a settings model, and pydantic's errors into ours."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from groundcrew.settings.errors import Problem, nearest
from groundcrew.settings.merge import Merged, Path

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], merged: Merged) -> tuple[Model | None, list[Problem]]:
    """The settings, or None and every error in them."""
    try:
        return model.model_validate(merged.data), []
    except ValidationError as error:
        return None, _problems(model, merged, error)


def _problems(model: type[BaseModel], merged: Merged, error: ValidationError) -> list[Problem]:
    messages: dict[Path, list[str]] = {}
    for item in error.errors(include_url=False, include_context=True):
        path = _given(merged.data, item["loc"], missing=item["type"] == "missing")
        message = _message(model, path, item)
        if message not in messages.setdefault(path, []):
            messages[path].append(message)
    return [
        Problem(".".join(path), merged.origin(path) or "defaults", " or ".join(texts))
        for path, texts in messages.items()
    ]


def _given(data: Any, loc: Iterable[int | str], *, missing: bool) -> Path:
    """The key as the user wrote it: pydantic's location less the names of union members."""
    path: list[str] = []
    node = data
    parts = list(loc)
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        inside = (
            part in node
            if isinstance(node, Mapping)
            else isinstance(node, (list, tuple)) and isinstance(part, int) and part < len(node)
        )
        if inside:
            node = node[part]
        elif not (missing and last):
            continue
        path.append(str(part))
    return tuple(path)


def _message(model: type[BaseModel], path: Path, item: Mapping[str, Any]) -> str:
    kind = item["type"]
    if kind == "extra_forbidden":
        return f"unknown key{nearest(path[-1], known_keys(model, path[:-1]))}"
    if kind == "missing":
        return "is required"
    text = str(item["msg"])
    for prefix in ("Value error, ", "Input should be "):
        if text.startswith(prefix):
            text = ("expected " if prefix.startswith("Input") else "") + text[len(prefix) :]
    return text[0].lower() + text[1:]


def known_keys(model: type[BaseModel], path: Path) -> set[str]:
    """Names of the fields that may stand at `path`."""
    kinds: list[Any] = [model]
    for part in path:
        kinds = [inner for kind in kinds for inner in _step(kind, part)]
    return {name for kind in kinds for name in getattr(kind, "model_fields", {})}


def _step(kind: Any, part: str) -> list[Any]:
    if not hasattr(kind, "model_fields"):
        return []
    field = kind.model_fields.get(part)
    if field is not None:
        return _models(field.annotation)
    return []


def _models(annotation: Any) -> list[Any]:
    """The models inside an annotation; a mapping is a model whose every key is known."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _models(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [found for arg in get_args(annotation) for found in _models(arg)]
    if origin in (dict, Mapping):
        return [_AnyKey(_models(get_args(annotation)[1]))]
    if origin in (list, tuple):
        return [_AnyKey([found for arg in get_args(annotation) for found in _models(arg)])]
    return [annotation] if isinstance(annotation, type) else []


class _AnyField:
    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation


class _AnyKey:
    """Stands for a mapping or list in `known_keys`: any key leads to the same models."""

    def __init__(self, models: list[Any]) -> None:
        union: Any = Union[tuple(models)] if models else None  # noqa: UP007 - built at run time
        self.model_fields = _Everything(union)


class _Everything(dict[str, _AnyField]):
    def __init__(self, annotation: Any) -> None:
        super().__init__()
        self._field = _AnyField(annotation)

    def get(self, key: str, default: Any = None) -> Any:
        del key, default
        return self._field
