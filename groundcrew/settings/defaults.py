"""Collects defaults that are mappings into a layer, so that other layers merge into them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from groundcrew.fields import fields


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    """Every default of `model` that is a non-empty mapping, nested like the model."""
    values: dict[str, Any] = {}
    for key, info in fields(model).items():
        value = info.get_default(call_default_factory=True, validated_data={})
        inner = _plain(value)
        if isinstance(inner, dict) and inner:
            values[key] = inner
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return defaults(type(value))
    if isinstance(value, dict):
        return {key: _member(item) for key, item in value.items()}
    return value


def _member(value: Any) -> Any:
    """A member of a mapping: a block has the values that this default gives it."""
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True, exclude_unset=True)
    return _plain(value)
