"""Values that say how to connect to a host. They are no settings: pyinfra and the transport read
them from the host's data. So a wrong one would end only the run of its own host, and only when it
connects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from groundcrew.settings.errors import Problem
from groundcrew.settings.layers import connection_layers
from groundcrew.settings.merge import merge
from groundcrew.transport import ROOT_PROCESS, switched

ACCOUNT = re.compile(r"[^\s:@/-][^\s:@/]*")


def problems(host: Host, inventory: Inventory, project: Path) -> Iterator[Problem]:
    """Problems of a host's values. A value that is not set is none."""
    merged = merge(connection_layers(host, inventory, project))
    for key, (fits, expected) in CHECKS.items():
        value = merged.data.get(key)
        if value is not None and not fits(value):
            message = f"expected {expected}, got {value!r}"
            yield Problem(key, merged.nearest_origin((key,)), message)


def _is_switch(value: Any) -> bool:
    return switched(value) is not None


def _is_port(value: Any) -> bool:
    # An inventory from a command may quote numbers.
    text = str(value)
    return text.isascii() and text.isdigit() and 0 < int(text) < 1 << 16


def _is_account(value: Any) -> bool:
    return isinstance(value, str) and (value == "" or bool(ACCOUNT.fullmatch(value)))


CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    ROOT_PROCESS: (_is_switch, "true or false"),
    "ssh_port": (_is_port, "a number from 1 to 65535"),
    "ssh_user": (_is_account, "the name of an account"),
    "bootstrap_user": (_is_account, "the name of an account"),
}
"""Key -> whether a value fits, and what is expected."""
