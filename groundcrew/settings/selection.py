"""Checks the selection of hosts: an inventory, group or --limit that matches no host is an error.

pyinfra itself continues without hosts and reports success.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
from pyinfra.api.inventory import Inventory

from groundcrew.settings.errors import Problem, SettingsError, nearest

# Groups that need no file in group_data/.
BUILT_IN_GROUPS = frozenset({"all", "web"})


def parameters() -> Mapping[str, Any]:
    """pyinfra's command line by parameter name; empty if pyinfra is used as a library."""
    context = click.get_current_context(silent=True)
    return context.params if context else {}


def check_data_arguments() -> None:
    """Raises SettingsError unless every `--data` is KEY=VALUE."""
    problems = [
        Problem(argument, "--data", "expected KEY=VALUE")
        for argument in parameters().get("data") or ()
        if "=" not in argument
    ]
    if problems:
        raise SettingsError(problems)


def check(
    inventory: Inventory, project: Path, roles: frozenset[str] = frozenset()
) -> list[Problem]:
    """Every error in the selection of hosts. Groups that are called like one of `roles` need no
    file in group_data/."""
    given = parameters()
    name = str(given.get("inventory", "inventory"))
    if not len(inventory):
        missing = not Path(name).exists() and "inventory" in given
        message = "no such file, and no host of this name" if missing else "holds no hosts"
        return [
            *([] if missing else no_lists(Path(name), None)),
            Problem(name, "inventory", message),
        ][:1]
    return [
        *no_lists(Path(name), {*BUILT_IN_GROUPS, *roles, *_with_files(project, Path(name))}),
        *unknown_groups(inventory, project, Path(name), roles),
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


def no_lists(file: Path, groups: Collection[str] | None) -> list[Problem]:
    """Groups of an inventory that are not lists, which pyinfra ignores; only groups with these
    names if given, since other variables may be helpers."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8")) if file.suffix == ".py" else None
    except (OSError, ValueError, SyntaxError):
        return []
    problems = []
    for node in tree.body if tree else []:
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            if not isinstance(target, ast.Name) or target.id.startswith("_"):
                continue
            if groups is not None and target.id not in groups:
                continue
            example = _as_list(node.value) if isinstance(node, ast.Assign) else None
            if example:
                text = f"a group is a list of hosts: {target.id} = {example}"
                problems.append(Problem(target.id, str(file), text))
    return problems


def _as_list(value: ast.expr) -> str | None:
    """The list that was meant by a value that is certainly not one."""
    match value:
        case ast.Constant(value=str(text)):
            return json.dumps([part.strip() for part in text.split(",")])
        case ast.Set(elts=items) if all(isinstance(item, ast.Constant) for item in items):
            return f"[{', '.join(ast.unparse(item) for item in items)}]"
        case ast.Dict(keys=keys):
            names = [ast.unparse(key) for key in keys if key]
            return f"[{', '.join(f'({name}, {{...}})' for name in names)}]"
    return None


def _with_files(project: Path, file: Path) -> set[str]:
    folders = (project / "group_data", file.parent / "group_data")
    return {path.stem for folder in folders for path in folder.glob("*.py")}


def unknown_groups(
    inventory: Inventory, project: Path, file: Path, roles: frozenset[str] = frozenset()
) -> list[Problem]:
    """Groups with hosts that nothing refers to: usually a typo, and the host would stay bare.

    `file` is the inventory's: pyinfra creates a group with its name.
    """
    known = {*BUILT_IN_GROUPS, *roles, file.stem, *_with_files(project, file)}
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
