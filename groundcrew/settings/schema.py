"""JSON Schemas of settings models, for editors and for the settings reference."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from groundcrew.apps.model import AppSettings

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The newest one that common YAML editors understand."""

Schema = dict[str, Any]


def app_schema() -> Schema:
    """The schema of `apps/NAME.yml`."""
    return {
        "$schema": DIALECT,
        **model_schema(AppSettings),
        "title": "groundcrew application",
    }


def model_schema(model: type[BaseModel]) -> Schema:
    """A model's schema without references: not every editor shows a description beside one."""
    schema = model.model_json_schema(by_alias=True)
    plain: Schema = _plain(schema, schema.get("$defs", {}))
    return plain


def _plain(node: Any, definitions: Schema) -> Any:
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    found: Schema = {**node}
    if "$ref" in found:
        target = definitions[found.pop("$ref").removeprefix("#/$defs/")]
        found = {**target, **found}
        if "properties" in found:
            # The model says more than the field, and its properties have their own defaults.
            found.pop("default", None)
            found["description"] = target["description"]
    schema: Schema = {
        key: {name: _plain(item, definitions) for name, item in value.items()}
        if key in ("properties", "patternProperties")
        else value
        if key in ("default", "enum", "const")
        else _plain(value, definitions)
        for key, value in found.items()
        # Titles are only the keys again, in other letters.
        if key not in ("$defs", "title")
    }
    if "patternProperties" in schema:
        schema["additionalProperties"] = False
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    return schema
