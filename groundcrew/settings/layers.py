"""Collects the layers of one host from pyinfra's inventory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyinfra.api.connectors import get_all_connectors
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from groundcrew.settings.errors import Problem, nearest
from groundcrew.settings.merge import Layer

# Groups that need no file of their own in group_data/.
BUILT_IN_GROUPS = frozenset({"all", "web"})


def connection_keys() -> frozenset[str]:
    """Host data that is pyinfra's own (ssh_user, docker_identifier, ...) or the transport's."""
    keys = {"bootstrap_user"}
    for connector in get_all_connectors().values():
        keys.update(getattr(connector, "data_meta", {}))
    return frozenset(keys)


def host_layers(host: Host, inventory: Inventory) -> list[Layer]:
    """Layers above the manifests, weakest first: all, groups as listed, host, --data."""
    layers = [Layer("group_data/all.py", _own(inventory.get_data()))]
    layers += [
        Layer(f"group_data/{group}.py", _own(inventory.get_group_data(group)))
        for group in host.groups
    ]
    layers.append(Layer(f"inventory, host {host.name}", _own(inventory.get_host_data(host.name))))
    layers.append(Layer("--data", _own(nested(inventory.get_override_data()))))
    return [layer for layer in layers if layer.data]


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"app.shop.port": 81}` as `{"app": {"shop": {"port": 81}}}`."""
    tree: dict[str, Any] = {}
    for dotted, value in flat.items():
        *parents, leaf = str(dotted).split(".")
        node = tree
        for parent in parents:
            child = node.setdefault(parent, {})
            if not isinstance(child, dict):
                child = node[parent] = {}
            node = child
        node[leaf] = value
    return tree


def _own(data: Mapping[str, Any]) -> dict[str, Any]:
    ignored = connection_keys()
    return {
        key: value for key, value in data.items() if not key.startswith("_") and key not in ignored
    }


def unknown_groups(inventory: Inventory, project: Path) -> list[Problem]:
    """Groups with hosts that nothing here knows: usually a typo, and the host would stay bare."""
    known = set(BUILT_IN_GROUPS)
    known.update(path.stem for path in (project / "group_data").glob("*.py"))
    known.update(path.stem for path in (project / "inventory").glob("*.py"))
    known.update(name for name, data in inventory.group_data.items() if data)
    problems = []
    for group, hosts in inventory.groups.items():
        if hosts and group not in known and not group.startswith("@"):
            hint = nearest(group, known)
            problems.append(
                Problem(
                    group,
                    "inventory",
                    f"unknown group: there is no group_data/{group}.py{hint}",
                    tuple(host.name for host in hosts),
                )
            )
    return problems
