"""Shows hosts' resolved settings and the layer of each value."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

import click
from pyinfra.api.host import Host

from groundcrew import json_file
from groundcrew.settings import explain
from groundcrew.settings.app_list import BETWEEN
from groundcrew.settings.errors import Problem, SettingsError, nearest
from groundcrew.settings.load import settings_for
from groundcrew.settings.rows import Row, below, rows, shown
from groundcrew.settings.schema import model_schema
from groundcrew.settings.selection import parameters

NARROWEST = 24
"""Minimum width of the column of values."""


def table(rows: Iterable[Row], width: int) -> str:
    """The rows as columns KEY, VALUE, LAYER in `width` characters; long values are wrapped."""
    listed = [Row("KEY", "VALUE", "LAYER"), *rows]
    keys = max(len(row.key) for row in listed)
    # Combined lists have several layers, one below the other.
    layers = max(len(part) for row in listed for part in _layers(row))
    values = max(len(shown(row.value)) for row in listed)
    values = max(NARROWEST, min(values, width - keys - layers - 4))
    lines = []
    for row in listed:
        wrapped = textwrap.wrap(shown(row.value), values, break_on_hyphens=False) or [""]
        cells = zip_longest([row.key], wrapped, _layers(row), fillvalue="")
        lines += [f"{key:{keys}}  {text:{values}}  {layer}".rstrip() for key, text, layer in cells]
    return "\n".join(lines)


def _layers(row: Row) -> list[str]:
    first, *others = row.layer.split(BETWEEN)
    return [first, *(f"+ {layer}" for layer in others)]


def print_settings(hosts: Iterable[Host]) -> None:
    """Prints the hosts' settings on standard output, as `settings.key`, `settings.changed` and
    `settings.json` request, or explains the one that `settings.explain` names.

    Raises SettingsError if no host has `settings.key`, or if there is no such setting.
    """
    chosen = list(hosts)
    every = {host.name: rows(settings_for(host)) for host in chosen}
    wanted = {host.name: settings_for(host).settings for host in chosen}
    width = shutil.get_terminal_size((120, 24)).columns
    asked = {item.settings.explain for item in wanted.values()} - {None}
    if asked:
        model = type(next(iter(wanted.values())))
        click.echo(explain.explained(str(asked.pop()), model_schema(model), every, width))
        return
    listed = {name: below(all_rows, wanted[name].settings.key) for name, all_rows in every.items()}
    if not any(listed.values()):
        keys = {name: item.settings.key for name, item in wanted.items()}
        raise SettingsError(_no_such_key(keys[name], every[name], name) for name in every)
    listed = {
        name: [row for row in all_rows if row.changed or not wanted[name].settings.changed]
        for name, all_rows in listed.items()
    }
    asked_json = {item.settings.json_output for item in wanted.values()} - {False}
    if parameters().get("json_output") or asked_json:
        for place in asked_json or {True}:
            if isinstance(place, str) and place != json_file.STANDARD_OUTPUT:
                json_file.replace(place, _plain(listed))
            else:
                click.echo(json.dumps(_plain(listed), indent=2, ensure_ascii=False))
        return
    for name, host_rows in listed.items():
        if host_rows:
            click.echo(f"{name}\n\n{textwrap.indent(table(host_rows, width - 2), '  ')}\n")


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
