"""Turns merged values into a settings model, and pydantic's errors into problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from groundcrew.fields import about, known_keys, nested_path
from groundcrew.model import WrongValueError
from groundcrew.settings.errors import Problem, nearest
from groundcrew.settings.merge import Merged, Path
from groundcrew.settings.messages import describe

Model = TypeVar("Model", bound=BaseModel)
MISTYPED = 0.8
"""Likeness of words, from 0 to 1, from which one is the other, mistyped."""

SECRETS = {"secrets", "build_secrets", "basic_auth", "certificate"}
"""Keys below which values are not shown: they may contain secrets."""


def validate(model: type[Model], merged: Merged) -> tuple[Model | None, list[Problem]]:
    """The settings, or None and every error in them."""
    try:
        return model.model_validate(merged.data), []
    except ValidationError as error:
        return None, _problems(model, merged, error)


def _problems(model: type[BaseModel], merged: Merged, error: ValidationError) -> list[Problem]:
    items: dict[Path, list[ErrorDetails]] = {}
    for item in error.errors(include_url=False):
        path = _given(merged.data, item["loc"], missing=item["type"] == "missing")
        context = item.get("ctx", {})
        if item["type"] == "kind":
            path = (*path, context["key"])
        if isinstance(wrong := context.get("error"), WrongValueError):
            path = (*path, *wrong.path)
        items.setdefault(path, []).append(item)
    return [
        Problem(
            key=".".join(path),
            layer=merged.nearest_origin(path),
            message=_message(model, merged, path, errors),
            about=_about(model, merged, path, errors),
        )
        for path, errors in items.items()
        if not _other_member(path, items)
    ]


def _other_member(path: Path, items: Iterable[Path]) -> bool:
    """Whether there is an error inside the value. Then the value has the right kind, and errors of
    other union members about the value itself are misleading."""
    return any(len(other) > len(path) and other[: len(path)] == path for other in items)


def _given(data: Any, loc: Iterable[int | str], *, missing: bool) -> Path:
    """The key as the user wrote it: pydantic's location without the names of union members."""
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


def _message(model: type[BaseModel], merged: Merged, path: Path, items: list[ErrorDetails]) -> str:
    kinds = {item["type"] for item in items}
    if "extra_forbidden" in kinds:
        return f"unknown key{_hint(model, merged, path)}"
    if "missing" in kinds:
        return "is required"
    value = merged.value(path)
    text = describe(items, value, secret=bool(SECRETS.intersection(path)))
    if "source_kind" in kinds and isinstance(value, Mapping):
        known = known_keys(model, path, merged.data)
        near = [hint for key in value if "did you mean" in (hint := nearest(str(key), known))]
        text += near[0] if near else ""
    return text


def _about(model: type[BaseModel], merged: Merged, path: Path, items: list[ErrorDetails]) -> str:
    unknown = any(item["type"] == "extra_forbidden" for item in items)
    return "" if unknown else about(model, path, merged.data)


def _hint(model: type[BaseModel], merged: Merged, path: Path) -> str:
    known = known_keys(model, path[:-1], merged.data)
    if path[-1] not in known and path[-1] in known_keys(model, path[:-1]):
        return "; it belongs to another `type`"
    place = nested_path(model, path)
    # The very same key elsewhere is likelier than one that is only a little like it.
    if place and not get_close_matches(path[-1], known, n=1, cutoff=MISTYPED):
        return f'; did you mean "{place}"?'
    return nearest(path[-1], known)
