"""The settings reference in Markdown, from the models' schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from groundcrew.settings.schema import Schema

NAME = "NAME"
"""Stands in a key for a name that the user chooses."""
ESCAPED = "\\|"
LONGEST = 40
"""Characters of a default that fit into a table."""


@dataclass(frozen=True)
class Entry:
    """One key of the reference; `default` is YAML on one line, or more than a table can hold."""

    key: str
    kind: str
    default: str
    description: str
    value: Any = None


def entries(schema: Schema, prefix: str = "") -> Iterator[Entry]:
    """Every key of a block, and those of the blocks in it, dotted."""
    required = schema.get("required", ())
    for key, value in schema["properties"].items():
        default = "**required**" if key in required else _default(value)
        description = value.get("description", "")
        yield Entry(f"{prefix}{key}", kind(value), default, description, value.get("default"))
        for between, block in _blocks(value):
            yield from entries(block, f"{prefix}{key}{between}.")


def _blocks(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Blocks in a value, and what stands in keys between the value and them."""
    if "properties" in schema:
        yield "", schema
    for member in _members(schema):
        yield from _blocks(member)
    for suffix, inner in (("[]", schema.get("items")), (f".{NAME}", _values(schema))):
        if inner:
            for between, block in _blocks(inner):
                yield f"{suffix}{between}", block


def _members(schema: Schema) -> list[Schema]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ())]


def _values(schema: Schema) -> Schema | None:
    """The schema of a mapping's values; None for what is no mapping."""
    if schema.get("type") != "object" or "properties" in schema:
        return None
    named: list[Schema] = list(schema.get("patternProperties", {}).values())
    more = schema.get("additionalProperties")
    return named[0] if named else more if isinstance(more, dict) else {}


def kind(schema: Schema) -> str:
    """What a value must be, in words."""
    words = list(dict.fromkeys(_words(schema)))
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _words(schema: Schema) -> list[str]:
    # The `oneOf` of a block says which of its keys go together.
    if "properties" not in schema and (members := _members(schema)):
        return [word for member in members for word in _words(member)]
    if "enum" in schema:
        return [_literal(value) for value in schema["enum"]]
    if "const" in schema:
        return [_literal(schema["const"])]
    if "properties" in schema:
        return ["block"]
    if (values := _values(schema)) is not None:
        return [f"mapping of names to {_plural(kind(values))}"]
    match schema.get("type"):
        case "array":
            return [f"list of {_plural(kind(schema['items']))}"]
        case "boolean":
            return ["true", "false"]
        case None:
            return ["anything"]
        case name:
            return [f"{name}{_range(schema)}"]


def _range(schema: Schema) -> str:
    if "exclusiveMinimum" in schema:
        return f" above {schema['exclusiveMinimum']}"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" {low} to {high}"
    return f" ≥ {low}" if low is not None else ""


def _plural(text: str) -> str:
    return re.sub(r"\b(integer|number|string|block)\b", r"\1s", text)


def _literal(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else json.dumps(value)


def _default(schema: Schema) -> str:
    if "properties" in schema:
        return ""
    empty: Any = {} if _values(schema) is not None else None
    text = json.dumps(schema.get("default", empty), ensure_ascii=False)
    return text if len(text) > LONGEST else f"`{text}`"


def section(title: str, schema: Schema, *, prefix: str = "", anchor: str = "") -> str:
    """A heading, what the block is, and a table of its keys; long defaults below it.

    `anchor` precedes the keys in link targets where the keys alone are not unique.
    """
    lines = [f"## {title}", "", schema.get("description", ""), ""]
    lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    below = []
    seen: dict[str, int] = {}
    for entry in entries(schema, prefix):
        name = re.sub(r"[^a-z0-9_]+", "-", f"{anchor}{entry.key}".lower()).strip("-")
        # Kinds of one block may have keys of the same name: the second gets a number.
        seen[name] = seen.get(name, 0) + 1
        name = name if seen[name] == 1 else f"{name}-{seen[name]}"
        default = entry.default
        if len(default) > LONGEST + 2:
            default = f"[below](#{name}-default)"
            text = yaml.safe_dump(entry.value, sort_keys=False, allow_unicode=True, width=96)
            below += ["", f'<a id="{name}-default"></a>Default of `{entry.key}`:', ""]
            below += ["```yaml", text.removesuffix("...\n").rstrip(), "```"]
        cells = [f'<a id="{name}"></a>`{entry.key}`', entry.kind, default, entry.description]
        lines.append(f"| {' | '.join(cell.replace('|', ESCAPED) for cell in cells)} |")
    return "\n".join([*lines, *below]) + "\n"
