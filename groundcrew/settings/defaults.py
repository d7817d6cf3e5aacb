"""Defaults that are mappings, as a layer of their own so that other layers merge into them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

DEFAULTS = "defaults"


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    """Every default of `model` that is a mapping with something in it, nested like the model."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        value = field.get_default(call_default_factory=True, validated_data={})
        inner = defaults(type(value)) if isinstance(value, BaseModel) else value
        if isinstance(inner, dict) and inner:
            found[field.alias or name] = inner
    return found
