"""Generates JSON Schemas of settings models, for editors and the settings reference."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from groundcrew.manifest.model import AppSettings

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The newest dialect that common YAML editors support."""

Schema = dict[str, Any]


def app_schema() -> Schema:
    """The schema of `apps/NAME.yml`."""
    return {
        "$schema": DIALECT,
        **model_schema(AppSettings),
        "title": "groundcrew application",
    }


def model_schema(model: type[BaseModel]) -> Schema:
    """A model's schema with references resolved: not every editor shows a description beside
    one."""
    schema = model.model_json_schema(by_alias=True)
    plain: Schema = _plain(schema, schema.get("$defs", {}))
    return plain


def _plain(node: Any, definitions: Schema) -> Any:
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    resolved: Schema = {**node}
    if "$ref" in resolved:
        target = definitions[resolved.pop("$ref").removeprefix("#/$defs/")]
        resolved = {**target, **resolved}
        if "properties" in resolved:
            # The model's description is more specific than the field's, and its properties have
            # their own defaults.
            resolved.pop("default", None)
            resolved["description"] = target["description"]
    schema: Schema = {
        key: {name: _plain(item, definitions) for name, item in value.items()}
        if key in ("properties", "patternProperties")
        else value
        if key in ("default", "enum", "const", "examples")
        else _plain(value, definitions)
        for key, value in resolved.items()
        # Titles only repeat the keys.
        if key not in ("$defs", "title")
    }
    if "patternProperties" in schema:
        schema["additionalProperties"] = False
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    return schema
