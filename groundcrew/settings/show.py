"""Shows a host's resolved settings and the layer that each value came from."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import click
from pyinfra.api.host import Host

from groundcrew.apps.secret import KINDS
from groundcrew.settings.app_list import BETWEEN
from groundcrew.settings.errors import Problem, SettingsError, nearest
from groundcrew.settings.load import Loaded, settings_for
from groundcrew.settings.merge import Merged, Path
from groundcrew.settings.selection import parameters

MASK = "******"
NARROWEST = 24
"""Characters that the column of values has at least."""

_PASSWORD = re.compile(r"(\w://[^/\s:@]*:)[^@/\s]+@")


@dataclass(frozen=True)
class Row:
    """One value, and the layer that set it."""

    key: str
    value: Any
    layer: str


def rows(loaded: Loaded[Any]) -> list[Row]:
    """Every value of a host, nested keys dotted. Secrets, and passwords in URLs, are masked."""
    data = loaded.settings.model_dump(mode="json", by_alias=True, exclude={"settings"})
    return list(_rows(data, (), loaded.merged))


def _rows(node: Any, path: Path, merged: Merged) -> Iterator[Row]:
    if path[:1] == ("app",) and path[2:3] == ("secrets",) and len(path) > 3:
        yield Row(".".join(path), _masked_secret(node), merged.origin((*path, _kind(node))))
    elif isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _rows(value, (*path, str(key)), merged)
    else:
        yield Row(".".join(path), _without_password(node), merged.origin(path))


def _kind(source: Mapping[str, Any]) -> str:
    return next(kind for kind in KINDS if source[kind] is not None)


def _masked_secret(source: Mapping[str, Any]) -> str:
    kind = _kind(source)
    # A command may carry a secret itself.
    told = f" {source[kind]}" if kind in ("env", "file") else ""
    return f"{MASK} ({kind}{told})"


def _without_password(value: Any) -> Any:
    if isinstance(value, str):
        return _PASSWORD.sub(rf"\g<1>{MASK}@", value)
    if isinstance(value, list):
        return [_without_password(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _without_password(item) for key, item in value.items()}
    return value


def below(found: Iterable[Row], key: str | None) -> list[Row]:
    """The rows of one block or value; all where `key` is None."""
    return [row for row in found if key is None or row.key == key or row.key.startswith(f"{key}.")]


def table(found: Iterable[Row], width: int) -> str:
    """The rows as columns KEY, VALUE, LAYER in `width` characters; long values are wrapped."""
    listed = [Row("KEY", "VALUE", "LAYER"), *found]
    keys = max(len(row.key) for row in listed)
    # What adds up has several, one below the other.
    layers = max(len(part) for row in listed for part in _layers(row))
    values = max(len(_text(row.value)) for row in listed)
    values = max(NARROWEST, min(values, width - keys - layers - 4))
    lines = []
    for row in listed:
        wrapped = textwrap.wrap(_text(row.value), values, break_on_hyphens=False) or [""]
        cells = zip_longest([row.key], wrapped, _layers(row), fillvalue="")
        lines += [f"{key:{keys}}  {text:{values}}  {layer}".rstrip() for key, text, layer in cells]
    return "\n".join(lines)


def _layers(row: Row) -> list[str]:
    first, *others = row.layer.split(BETWEEN)
    return [first, *(f"+ {layer}" for layer in others)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def print_settings(hosts: Iterable[Host]) -> None:
    """Print the hosts' settings on standard output, as `settings.key` and `settings.json` say.

    Raises SettingsError where `settings.key` is nothing that any of them has.
    """
    chosen = list(hosts)
    every = {host.name: rows(settings_for(host)) for host in chosen}
    wanted = {host.name: settings_for(host).settings.settings for host in chosen}
    shown = {name: below(listed, wanted[name].key) for name, listed in every.items()}
    if not any(shown.values()):
        raise SettingsError(_no_such_key(wanted[name].key, every[name], name) for name in every)
    if parameters().get("json_output") or any(item.json_output for item in wanted.values()):
        click.echo(json.dumps(_plain(shown), indent=2, ensure_ascii=False))
        return
    width = shutil.get_terminal_size((120, 24)).columns
    for name, listed in shown.items():
        if listed:
            click.echo(f"{name}\n\n{textwrap.indent(table(listed, width - 2), '  ')}\n")


def _plain(shown: Mapping[str, list[Row]]) -> dict[str, Any]:
    return {
        name: {row.key: {"value": row.value, "layer": row.layer} for row in listed}
        for name, listed in shown.items()
    }


def _no_such_key(key: str, every: Iterable[Row], host: str) -> Problem:
    known: set[str] = set()
    for row in every:
        parts = row.key.split(".")
        known.update(".".join(parts[:end]) for end in range(1, len(parts) + 1))
    near = nearest(key, known)
    hint = near if "did you mean" in near else ""
    return Problem("settings.key", "--data", f'no setting "{key}"{hint}', (host,))
