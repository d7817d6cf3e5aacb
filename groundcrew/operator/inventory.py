"""The inventory that a command works with, and what it says about hosts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundcrew.inventories import SUFFIXES
from groundcrew.project import PACKAGE, ROOT

DEFAULT = "inventory/prod.py"
OTHERS = ("inventory/prod.yml", "inventory/prod.yaml")
"""What stands in for it if there is no such file."""

VARIABLE = "GROUNDCREW_INVENTORY"
HOSTS = PACKAGE / "operator" / "hosts.py"
"""What pyinfra runs to list the hosts; it connects to none."""


class InventoryError(Exception):
    """An inventory cannot be used, or does not have what was asked for; the message says why."""


@dataclass(frozen=True)
class Known:
    """A host of the inventory."""

    name: str
    apps: tuple[str, ...]
    connection: Mapping[str, Any]
    """Data of the host that says how to connect to it."""

    idle: tuple[str, ...] = ()
    """Those of `apps` that are idle there."""


def chosen(given: str | None) -> str:
    """The inventory: the one that was given, else that of GROUNDCREW_INVENTORY, else
    inventory/prod.py (or .yml). A relative path is one of the current directory, or else of the
    project. Raises InventoryError if there is none."""
    usual = next((name for name in (DEFAULT, *OTHERS) if (ROOT / name).exists()), DEFAULT)
    name = given or os.environ.get(VARIABLE) or usual
    if name.startswith("@") or (ROOT / name).exists():
        return name
    if Path(name).exists():
        return str(Path(name).resolve())
    folder = ROOT / "inventory"
    files = [path for path in folder.glob("*") if path.suffix in (".py", *SUFFIXES)]
    python = {path.stem for path in files if path.suffix == ".py"}
    others = sorted(
        str(path.relative_to(ROOT))
        for path in files
        # A file beside one of Python is what that one reads.
        if path.suffix == ".py" or path.stem not in python
    )
    known = f"; there is {', '.join(others)}" if others else f": {ROOT} has no inventory"
    raise InventoryError(f"{name}: no such inventory (-i, or {VARIABLE}){known}")


def pyinfra(inventory: str, words: Iterable[str]) -> list[str]:
    """A command line of pyinfra, to be run in the project."""
    return [sys.executable, "-m", "pyinfra", inventory, *words]


def hosts(inventory: str, data: Iterable[str]) -> dict[str, Known]:
    """The hosts of an inventory by name, with their applications. Raises InventoryError."""
    return {
        name: Known(name, tuple(item["apps"]), item["connection"], tuple(item["idle"]))
        for name, item in listed(inventory, HOSTS, data).items()
    }


def listed(inventory: str, script: Path, data: Iterable[str]) -> dict[str, Any]:
    """What a script prints about an inventory as JSON; pyinfra runs it, and it connects to no host.
    Raises InventoryError."""
    done = subprocess.run(
        pyinfra(inventory, [str(script), *(word for item in data for word in ("--data", item))]),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise InventoryError(f"{inventory} cannot be used:\n{done.stderr.strip()}")
    members: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return members
