"""Collects the layers of one host from pyinfra's inventory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pyinfra.api.connectors import get_all_connectors
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from groundcrew.settings import selection, yaml
from groundcrew.settings.app_list import add_up
from groundcrew.settings.merge import Layer, merge
from groundcrew.transport import ROOT_PROCESS

COMMAND_LINE = "--data"
_ENV = re.compile(r"app\.[^.]+\.env\.[^.]+$")
# Keys of `run` that may be given without the block's name.
_ASKED = (
    "app",
    "need",
    "release",
    "maintenance",
    "lines",
    "since",
    "sbom",
    "output",
    "report",
    "purge",
    "restore",
    "at",
    "part",
    "target",
    "of_host",
    "unreachable",
    "batch",
    "down",
    "back",
    "reboot",
    "confirm",
    "kind",
    "again",
    "was",
    "host",
    "prepare",
    "only",
    "skip",
)
SHORT = {key: f"run.{key}" for key in _ASKED}


@cache
def connection_keys() -> frozenset[str]:
    """Keys of host data that belong to pyinfra (ssh_user, docker_identifier, ...) or to the
    transport."""
    keys = {"bootstrap_user", ROOT_PROCESS}
    for connector in get_all_connectors().values():
        keys.update(getattr(connector, "data_meta", {}))
    return frozenset(keys)


def host_layers(host: Host, inventory: Inventory, project: Path) -> list[Layer]:
    """Layers above the manifests, weakest first: all, groups as listed, host, --data. The combined
    list of applications is an additional layer."""
    every = _layers(host, inventory, project)
    layers = [replace(layer, data=_own(layer.data)) for layer in every]
    layers[-1] = replace(layers[-1], data=nested(_as_written(layers[-1].data)))
    return add_up([layer for layer in layers if layer.data])


def connection_layers(host: Host, inventory: Inventory, project: Path) -> list[Layer]:
    """The same layers with the values that are no settings: how to connect to the host."""
    keys = connection_keys()
    return [
        replace(layer, data={key: value for key, value in layer.data.items() if key in keys})
        for layer in _layers(host, inventory, project)
    ]


def _layers(host: Host, inventory: Inventory, project: Path) -> list[Layer]:
    """What pyinfra has of a host, as it stands there; --data is last."""
    return [
        Layer(_group_layer("all", project), inventory.get_data(), shared=True),
        *(Layer(_group_layer(name, project), inventory.get_group_data(name), shared=True)
          for name in dict.fromkeys(host.groups)),
        Layer(f"inventory, host {host.name}", inventory.get_host_data(host.name)),
        Layer(COMMAND_LINE, inventory.get_override_data()),
    ]  # fmt: skip


def _as_written(data: Mapping[str, Any]) -> dict[str, Any]:
    """Environment variables as written on the command line if pyinfra has parsed a number that is
    written differently (`3.10`, `0123`)."""
    given = dict(item.partition("=")[::2] for item in selection.parameters().get("data") or ())
    return {
        key: given[key]
        if key in given and _ENV.match(key) and isinstance(value, (bool, int, float))
        and yaml.spelled(value) != given[key]
        else value
        for key, value in data.items()
    }  # fmt: skip


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"app.shop.port": 81}` as `{"app": {"shop": {"port": 81}}}`."""
    trees = []
    for dotted, value in flat.items():
        tree = value
        short = dotted in SHORT and not isinstance(value, Mapping)
        for part in reversed((SHORT[dotted] if short else str(dotted)).split(".")):
            tree = {part: tree}
        trees.append(Layer(COMMAND_LINE, tree))
    return merge(trees).data


def _group_layer(group: str, project: Path) -> str:
    """The group's file; the inventory if there is none, since it can carry group data too."""
    file = f"group_data/{group}.py"
    return file if (project / file).exists() else f"inventory, group {group}"


def _own(data: Mapping[str, Any]) -> dict[str, Any]:
    ignored = connection_keys()
    return {
        key: value for key, value in data.items() if not key.startswith("_") and key not in ignored
    }
