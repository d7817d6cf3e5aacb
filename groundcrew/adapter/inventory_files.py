"""Lets pyinfra read inventories that are not Python: it would run every file as Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyinfra_cli import inventory as pyinfra_inventory

from groundcrew.adapter.patching import expect, replace

Groups = Mapping[str, Any]


def install(read: Callable[[str], Groups | None]) -> None:
    """Makes pyinfra ask `read` for the groups of an inventory file first; None leaves the file to
    pyinfra. Raises UnexpectedPyinfraError if pyinfra is not as expected."""
    expect(pyinfra_inventory, "_get_groups_from_filename", "inventory_filename")

    def reading(original: Callable[[str], Groups]) -> Callable[[str], Groups]:
        def groups(inventory_filename: str) -> Groups:
            told = read(inventory_filename)
            return original(inventory_filename) if told is None else told

        return groups

    replace(pyinfra_inventory, "_get_groups_from_filename", reading)
