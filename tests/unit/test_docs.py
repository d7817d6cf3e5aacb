"""The generated documents are those of the code as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from docs import generate
from groundcrew.fields import described, fields, inside, models
from groundcrew.roles.settings import HostSettings
from groundcrew.settings.reference import kind

ROOT = Path(__file__).resolve().parents[2]
MODELINE = "# yaml-language-server: $schema=../docs/app.schema.json"


@pytest.mark.parametrize(
    ("path", "text"),
    [pytest.param(path, text, id=path.name) for path, text in generate.documents().items()],
)
def test_the_document_is_current(path: Path, text: str) -> None:
    current = path.read_text(encoding="utf-8") if path.exists() else ""
    assert current == text, f"{path.name} is out of date; run: {generate.COMMAND}"


@pytest.mark.parametrize("manifest", sorted((ROOT / "apps").glob("*.yml")), ids=lambda p: p.name)
def test_every_manifest_names_the_schema(manifest: Path) -> None:
    assert manifest.read_text(encoding="utf-8").splitlines()[0] == MODELINE


def every_model(model: type[BaseModel]) -> set[type[BaseModel]]:
    every = {model}
    for info in fields(model).values():
        kinds = [info.annotation, *inside(info.annotation)]
        for item in kinds:
            for inner in models(item):
                every |= every_model(inner)
    return every


def test_every_setting_has_a_description() -> None:
    undocumented = [
        f"{model.__name__}.{key}"
        for model in every_model(HostSettings)
        for key in fields(model)
        if not described(model).get(key, "").endswith((".", '."'))
    ]
    assert undocumented == []


def blocks(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [block for item in schema for block in blocks(item)]
    if not isinstance(schema, dict):
        return []
    nested = [inner for value in schema.values() for inner in blocks(value)]
    return [*nested, schema] if schema.get("type") == "object" else nested


def test_the_schema_is_strict_and_has_no_references() -> None:
    schema = json.loads((ROOT / "docs/app.schema.json").read_text(encoding="utf-8"))
    assert "$ref" not in json.dumps(schema)
    assert schema["required"] == ["source"]
    gunicorn, uvicorn, uwsgi, command = schema["properties"]["server"]["oneOf"]
    assert gunicorn["properties"]["timeout"]["description"]
    assert uvicorn["properties"]["ws_max_size"]["description"]
    assert uwsgi["properties"]["harakiri"]["description"]
    assert command["properties"]["command"]["description"]
    open_blocks = [block for block in blocks(schema) if "additionalProperties" not in block]
    assert open_blocks == []


def test_links_inside_the_reference_lead_somewhere() -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    anchors = set(re.findall(r'<a id="([^"]+)"', text))
    assert len(anchors) == len(re.findall(r'<a id="', text))
    anchors.update(
        re.sub(r"[^a-z0-9_-]", "", title.lower().replace(" ", "-"))
        for title in re.findall(r"^## (.+)$", text, re.MULTILINE)
    )
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1}, "integer ≥ 1"),
        ({"type": "number", "exclusiveMinimum": 0}, "number above 0"),
        ({"type": "boolean"}, "true or false"),
        ({"enum": ["a", "b", "c"]}, "`a`, `b` or `c`"),
        ({"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]}, "`a`, `b` or null"),
        ({"type": "array", "items": {"type": "integer"}}, "list of integers"),
        ({"type": "object", "additionalProperties": {}}, "mapping of names to anything"),
    ],
)
def test_kinds_of_values_in_words(schema: dict[str, Any], words: str) -> None:
    assert kind(schema) == words
