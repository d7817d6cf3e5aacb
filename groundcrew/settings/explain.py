"""Explains one setting: its type, its default, what it means, and who has set it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from groundcrew.settings.errors import Problem, SettingsError, nearest
from groundcrew.settings.reference import NAME, SOURCE, Entry, entries, kinds
from groundcrew.settings.rows import Row, below, shown
from groundcrew.settings.schema import Schema

REFERENCE = re.compile(r"(Source|Syntax): <https://[^>\s]+>\.?")
LABEL = 9
"""Width of the names of fields."""


@dataclass(frozen=True)
class Known:
    """A setting, and of which kind of its block it is one."""

    entry: Entry
    of: str = ""


def all_entries(schema: Schema) -> Iterator[Known]:
    """Every setting there is, those of all kinds of blocks included."""
    yield from (Known(entry) for entry in entries(schema))
    for kind in kinds(schema):
        for entry in entries(kind.schema, f"{kind.key}."):
            yield Known(entry, f"{kind.key} with `{kind.told}`")


def matching(known: Iterable[Known], key: str) -> list[Known]:
    """The settings that a key stands for: several if kinds of a block have it each."""
    return [item for item in known if _matches(item.entry.key.split("."), key.split("."))]


def _matches(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    if len(pattern) != len(parts):
        return False
    pairs = zip(pattern, parts, strict=True)
    return all(one in (NAME, other) or one.removesuffix("[]") == other for one, other in pairs)


def explained(key: str, schema: Schema, hosts: Mapping[str, list[Row]], width: int) -> str:
    """The text about a setting of a model. Raises SettingsError if there is no such setting."""
    known = list(all_entries(schema))
    chosen = matching(known, key)
    if not chosen:
        keys = {item.entry.key for item in known}
        raise SettingsError([Problem("settings.explain", "--data", _unknown(key, keys))])
    return explanation(key, chosen, hosts, width)


def _unknown(key: str, keys: set[str]) -> str:
    near = nearest(key, keys)
    return f'no setting "{key}"{near if "did you mean" in near else ""}'


def explanation(
    key: str, chosen: Sequence[Known], hosts: Mapping[str, list[Row]], width: int
) -> str:
    """The text about a setting, in `width` characters."""
    lines = [key]
    for item in chosen:
        entry = item.entry
        source = SOURCE.search(entry.description)
        meaning = (
            SOURCE.sub("", entry.description).replace("Source: .", "").replace("Syntax: .", "")
        )
        block = f"one of {', '.join(entry.kinds)}" if entry.kinds else entry.kind
        parts = {
            "of": item.of,
            "type": block,
            "default": entry.default.strip("*") or "",
            "meaning": " ".join(meaning.split()),
            "see": source[1] if source else "",
        }
        lines += [_field(name, text, width) for name, text in parts.items() if text]
    for text in set_by(key, hosts):
        lines.append(_field("set", text, width))
    return "\n".join(lines)


def set_by(key: str, hosts: Mapping[str, list[Row]]) -> list[str]:
    """The values of a setting, or of what is below it and has been set, each with its layer and its
    hosts."""
    hosts_by_value: dict[tuple[str, str, str], list[str]] = {}
    for host, rows in hosts.items():
        for row in below(rows, key):
            if row.key == key or row.changed:
                hosts_by_value.setdefault((row.key, shown(row.value), row.layer), []).append(host)
    return [
        f"{'' if name == key else f'{name.removeprefix(key)[1:]} = '}{value} ({layer}) "
        f"on {', '.join(names)}"
        for (name, value, layer), names in hosts_by_value.items()
    ]


def _field(name: str, text: str, width: int) -> str:
    indent = " " * (LABEL + 2)
    return textwrap.fill(
        text.replace("`", ""),
        width,
        initial_indent=f"  {name:<{LABEL}}",
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
