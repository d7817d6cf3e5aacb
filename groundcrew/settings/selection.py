"""Which hosts a run is about: an inventory, group or --limit that names nobody is an error.

pyinfra itself goes on with no hosts and reports success.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
from pyinfra.api.inventory import Inventory

from groundcrew.settings.errors import Problem, SettingsError, nearest

# Groups that need no file of their own in group_data/.
BUILT_IN_GROUPS = frozenset({"all", "web"})


def parameters() -> Mapping[str, Any]:
    """pyinfra's command line, by parameter name; empty when it is used as a library."""
    context = click.get_current_context(silent=True)
    return context.params if context else {}


def check_data_arguments() -> None:
    """Every `--data` must be KEY=VALUE. Raises SettingsError."""
    problems = [
        Problem(argument, "--data", "expected KEY=VALUE")
        for argument in parameters().get("data") or ()
        if "=" not in argument
    ]
    if problems:
        raise SettingsError(problems)


def check(inventory: Inventory, project: Path) -> list[Problem]:
    """Every error in the choice of hosts."""
    given = parameters()
    name = str(given.get("inventory", "inventory"))
    if not len(inventory):
        missing = not Path(name).exists() and "inventory" in given
        message = "no such file, and no host of this name" if missing else "holds no hosts"
        return [Problem(name, "inventory", message)]
    return [
        *unknown_groups(inventory, project, Path(name)),
        *_unmatched(inventory, given.get("limit") or (), "--limit"),
        *_unmatched(inventory, given.get("exclude") or (), "--exclude"),
    ]


def _unmatched(inventory: Inventory, patterns: Iterable[str], option: str) -> list[Problem]:
    """Patterns that match no host, by pyinfra's rules: a group's name, else host names."""
    names = [host.name for host in inventory]
    return [
        Problem(pattern, option, f"no such host or group{_near(pattern, names, inventory)}")
        for pattern in patterns
        if not inventory.groups.get(pattern) and not any(fnmatch(name, pattern) for name in names)
    ]


def _near(pattern: str, names: Iterable[str], inventory: Inventory) -> str:
    groups = (group for group, hosts in inventory.groups.items() if hosts)
    return nearest(pattern, {*names, *groups})


def unknown_groups(inventory: Inventory, project: Path, file: Path) -> list[Problem]:
    """Groups with hosts that nothing here knows: usually a typo, and the host would stay bare.

    `file` is the inventory's: pyinfra makes a group of its name.
    """
    known = {*BUILT_IN_GROUPS, file.stem}
    for folder in (project / "group_data", file.parent / "group_data"):
        known.update(path.stem for path in folder.glob("*.py"))
    known.update(name for name, data in inventory.group_data.items() if data)
    return [
        Problem(
            group,
            "inventory",
            f"unknown group: there is no group_data/{group}.py{nearest(group, known)}",
            tuple(host.name for host in hosts),
        )
        for group, hosts in inventory.groups.items()
        if hosts and group not in known and not group.startswith("@")
    ]
