"""Values that say how to connect to a host. They are no settings: pyinfra and the transport read
them from the host's data, and would notice a wrong one only when they connect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from groundcrew.settings.errors import Problem
from groundcrew.settings.layers import connection_layers
from groundcrew.settings.merge import merge
from groundcrew.transport import ROOT_PROCESS, switched


def problems(host: Host, inventory: Inventory, project: Path) -> Iterator[Problem]:
    """Problems of a host's values. As for pyinfra, an empty value is one that is not set."""
    merged = merge(connection_layers(host, inventory, project))
    for key, (fits, expected) in CHECKS.items():
        value = merged.data.get(key)
        if value is not None and not fits(value):
            message = f"expected {expected}, got {value!r}"
            yield Problem(key, merged.nearest_origin((key,)), message)


def _is_switch(value: Any) -> bool:
    return switched(value) is not None


def _is_port(value: Any) -> bool:
    """Whether pyinfra can make a port of it. An inventory from a command may quote numbers."""
    if isinstance(value, bool):
        return not value
    try:
        return 0 <= int(value or 0) < 1 << 16
    except (TypeError, ValueError):
        return False


def _is_account(value: Any) -> bool:
    """Whether it can be a user's name: directories and bastions have many kinds of them."""
    if not value:
        return True
    return isinstance(value, str) and value.isprintable() and not value.startswith("-")


CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    ROOT_PROCESS: (_is_switch, "true or false"),
    "ssh_port": (_is_port, "a number from 1 to 65535"),
    "ssh_user": (_is_account, "the name of a user"),
    "bootstrap_user": (_is_account, "the name of a user"),
}
"""Key -> whether a value fits, and what is expected."""
