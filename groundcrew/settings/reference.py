"""Generates the settings reference in Markdown from the models' schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from groundcrew.settings.schema import Schema

NAME = "NAME"
"""Placeholder in a key for a name that the user chooses."""
ESCAPED = "\\|"
LONGEST = 40
"""Maximum length of a default in a table."""
SOURCE = re.compile(r"<(https://[^>\s]+)>")
"""The address at the end of a description: the source of a default (`Source: <https://...>.`) or
the syntax of a value (`Syntax:`)."""
PAGES = {
    "docs.docker.com": "Docker",
    "gunicorn.org": "gunicorn",
    "uvicorn.dev": "uvicorn",
    "uwsgi-docs": "uWSGI",
    "nginx.org": "nginx",
    "freedesktop.org": "systemd",
    "mozilla.org": "Mozilla",
    "owasp.org": "OWASP",
    "ssh-audit.com": "ssh-audit",
    "man.openbsd.org": "OpenSSH",
    "cisecurity.org": "CIS",
    "docs.kernel.org": "Linux",
    "letsencrypt.org": "Let's Encrypt",
    "docs.djangoproject.com": "Django",
    "github.com/fail2ban": "fail2ban",
    "hstspreload.org": "hstspreload.org",
    "manpages.debian.org": "Debian",
}
"""Names of the sources, by a part of their addresses."""


@dataclass(frozen=True)
class Entry:
    """One key of the reference. `default` is YAML on one line; if it is too long for a table, it is
    shown below.

    `kinds` are the kinds of the block that it names; each has its own table.
    """

    key: str
    kind: str
    default: str
    description: str
    value: Any = None
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """One kind of a block: the block's key, the kind's name and its keys."""

    key: str
    name: str
    told: str
    """How a manifest selects it: `type: uvicorn`, or the key `git`."""
    schema: Schema


def entries(schema: Schema, prefix: str = "") -> Iterator[Entry]:
    """Every key of a block and of the blocks in it, dotted, except those of kinds."""
    required = schema.get("required", ())
    choice = _choice(schema)
    for key, value in schema["properties"].items():
        description = value.get("description", "")
        default, words = _default(value), kind(value)
        given = value.get("default")
        names: tuple[str, ...] = ()
        if key in required:
            default = "**required**"
        elif key in choice:
            default = f"**one of** {', '.join(f'`{name}`' for name in choice)}"
            words = words.removesuffix(" or null")
        inner = list(_inner(value))
        for _, blocks in inner:
            if len(blocks) > 1:
                names = tuple(_name(block) for block in blocks)
                if isinstance(given, dict) and "type" in given:
                    default, given = f"`type: {given['type']}`", given["type"]
        yield Entry(f"{prefix}{key}", words, default, description, given, names)
        for between, blocks in inner:
            if len(blocks) == 1:
                yield from entries(blocks[0], f"{prefix}{key}{between}.")


def kinds(schema: Schema, prefix: str = "") -> Iterator[Kind]:
    """Every kind of every block that has several."""
    for key, value in schema["properties"].items():
        for between, blocks in _inner(value):
            path = f"{prefix}{key}{between}"
            for block in blocks:
                if len(blocks) > 1:
                    name = _name(block)
                    told = f"type: {name}" if "type" in block["properties"] else name
                    yield Kind(path, name, told, block)
                yield from kinds(block, f"{path}.")


def examples(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The examples of blocks that have no kinds: the block's key and the example."""
    for key, value in schema["properties"].items():
        for between, blocks in _inner(value):
            if len(blocks) == 1:
                path = f"{prefix}{key}{between}"
                for example in blocks[0].get("examples", ()):
                    yield path, _ordered(example, blocks[0])
                yield from examples(blocks[0], f"{path}.")


def manifest(key: str, value: Any) -> str:
    """A value at a dotted key, as written in a manifest."""
    for part in reversed(key.split(".")):
        name = part.removesuffix("[]")
        value = {name: value if name == part else [value]}
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=96)
    return text.rstrip()


def _inner(schema: Schema) -> Iterator[tuple[str, list[Schema]]]:
    """The blocks in a value, several if it is one of several kinds; each with the part of the key
    between the value and the block."""
    several = [member for member in schema.get("oneOf", ()) if "properties" in member]
    if "properties" in schema:
        yield "", [schema]
    elif several:
        yield "", several
    else:
        for member in _members(schema):
            yield from _inner(member)
    for suffix, inner in (("[]", schema.get("items")), (f".{NAME}", _values(schema))):
        if inner:
            for between, blocks in _inner(inner):
                yield f"{suffix}{between}", blocks


def _name(block: Schema) -> str:
    """The name of a kind: its `type`, or the key that only it has."""
    named = block["properties"].get("type", {}).get("const")
    return str(named or block["required"][0])


def _choice(block: Schema) -> list[str]:
    """Keys of which a block must have exactly one."""
    alternatives = block.get("oneOf", ()) if "properties" in block else ()
    return [key for item in alternatives for key in item.get("required", ())]


def _ordered(example: Mapping[str, Any], block: Schema) -> dict[str, Any]:
    """An example with its keys in the block's order; schemas sort them."""
    return {key: example[key] for key in block["properties"] if key in example}


def _members(schema: Schema) -> list[Schema]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ())]


def _values(schema: Schema) -> Schema | None:
    """The schema of a mapping's values; None for other schemas."""
    if schema.get("type") != "object" or "properties" in schema:
        return None
    named: list[Schema] = list(schema.get("patternProperties", {}).values())
    more = schema.get("additionalProperties")
    return named[0] if named else more if isinstance(more, dict) else {}


def kind(schema: Schema) -> str:
    """The type of a value, in words."""
    words = list(dict.fromkeys(_words(schema)))
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _words(schema: Schema) -> list[str]:
    # The `oneOf` of a block describes combinations of its keys.
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
    """A heading, the block's description and a table of its keys, followed by a table with examples
    for each kind of the blocks in it.

    `anchor` precedes the keys in link targets if the keys alone are not unique.
    """
    lines = [f"## {title}", "", _linked(schema.get("description", "")), ""]
    lines += _table(entries(schema, prefix), anchor)
    shown: list[Any] = []
    above = ""
    # Examples are parts of manifests.
    for key, value in examples(schema, prefix) if anchor else ():
        # Blocks of the same model have the same examples.
        if value not in shown:
            lines += ["", f"Examples of `{key}`:"] if key != above else []
            lines += ["", "```yaml", manifest(key, value), "```"]
            shown.append(value)
            above = key
    for item in kinds(schema, prefix):
        name = _anchor(f"{anchor}{item.key.removesuffix('.NAME')}.{item.name}")
        lines += ["", f'### <a id="{name}"></a>`{item.key}` with `{item.told}`', ""]
        lines += [_linked(item.schema.get("description", "")), ""]
        # These are parts of manifests too.
        for value in item.schema.get("examples", ()) if anchor else ():
            lines += ["```yaml", manifest(item.key, _ordered(value, item.schema)), "```", ""]
        lines += _table(entries(item.schema), f"{name}.", above=f"{item.key}.")
    return "\n".join(lines) + "\n"


def _anchor(key: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", key.lower()).strip("-")


def _table(entries: Iterable[Entry], anchor: str, above: str = "") -> list[str]:
    """A table of keys, with long defaults below it. `anchor` precedes the keys in link targets,
    `above` in the text."""
    lines = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    below: list[str] = []
    for entry in entries:
        name, key = _anchor(f"{anchor}{entry.key}"), f"{above}{entry.key}"
        default, words = entry.default, entry.kind
        if entry.kinds:
            links = ", ".join(f"[`{item}`](#{name}-{_anchor(item)})" for item in entry.kinds)
            words = f"block, one of {links}"
        elif len(default) > LONGEST + 2 and not default.startswith("**"):
            default = f"[below](#{name}-default)"
            text = yaml.safe_dump(entry.value, sort_keys=False, allow_unicode=True, width=96)
            below += ["", f'<a id="{name}-default"></a>Default of `{key}`:', ""]
            below += ["```yaml", text.removesuffix("...\n").rstrip(), "```"]
        meaning = _linked(entry.description)
        cells = [f'<a id="{name}"></a>`{key}`', words, default, meaning]
        lines.append(f"| {' | '.join(cell.replace('|', ESCAPED) for cell in cells)} |")
    return lines + below


def _linked(text: str) -> str:
    """A description with its sources as links, each named after the page's owner."""

    def link(match: re.Match[str]) -> str:
        name = next((name for part, name in PAGES.items() if part in match[1]), match[1])
        return f"[{name}]({match[1]})"

    return SOURCE.sub(link, text)
