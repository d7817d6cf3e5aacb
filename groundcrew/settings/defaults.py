"""Defaults that are mappings, as a layer of their own so that other layers merge into them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from groundcrew.fields import fields


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    """Every default of `model` that is a mapping with something in it, nested like the model."""
    found: dict[str, Any] = {}
    for key, info in fields(model).items():
        value = info.get_default(call_default_factory=True, validated_data={})
        inner = _plain(value)
        if isinstance(inner, dict) and inner:
            found[key] = inner
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return defaults(type(value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
