"""Reads inventories from files and from commands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pyinfra import logger
from pyinfra.api.exceptions import InventoryError

from groundcrew.inventories.document import DocumentError, Groups, groups_of, parsed
from groundcrew.settings.yaml import YamlError, parse

SUFFIXES = (".yml", ".yaml", ".json")
TIMEOUT = 60
"""Seconds that a command may take."""


def hosts_from_yaml(path: str | Path) -> Groups:
    """The groups of a YAML file, in the short shape or in Ansible's.

    A relative path is one of the project's directory. Raises InventoryError, which names the file
    and the key.
    """
    file = Path(path)
    try:
        return _groups(parse(file.read_text(encoding="utf-8")), str(path))
    except FileNotFoundError:
        raise InventoryError(f"{path}: no such file (in {Path.cwd()})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InventoryError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    except YamlError as error:
        raise InventoryError(f"{path}: {error}") from None


def groups_of_file(path: str) -> Groups | None:
    """The groups of an inventory that is not Python; None for others."""
    return hosts_from_yaml(path) if Path(path).suffix in SUFFIXES else None


def hosts_from_command(
    command: Sequence[str],
    *,
    groups: Mapping[str, str] | Iterable[str] | None = None,
    ignore: Iterable[str] = (),
    timeout: float = TIMEOUT,
) -> Groups:
    """The groups that a command prints as JSON, as inventory programs for Ansible do with `--list`.

    The command runs once per run, in the project's directory, without a shell and without input.
    `groups` lists the groups that are taken, or maps their names to others; null takes all.
    `ignore` has patterns of variables that are left out (`"hcloud_*"`); all others are settings of
    the host, and a run ends if one is unknown. `timeout` is in seconds. Raises InventoryError.
    """
    if isinstance(command, str):
        raise InventoryError(f"hosts_from_command: expected a list of words, such as "
                             f"{json.dumps(command.split())}")  # fmt: skip
    name = f"the command {command[0]}" if command else ""
    if not name:
        raise InventoryError("hosts_from_command: expected a command with its arguments")
    chosen = None if groups is None else _chosen(groups)
    return _groups(_json(_output(command, name, timeout), name), name, chosen, tuple(ignore))


def _chosen(groups: Mapping[str, str] | Iterable[str]) -> dict[str, str]:
    return dict(groups) if isinstance(groups, Mapping) else {item: item for item in groups}


def _output(command: Sequence[str], name: str, timeout: float) -> str:
    """What a command prints. Its arguments are told to nobody: they may contain secrets."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise InventoryError(f"{name}: not found: install it, or give its path") from None
    except OSError as error:
        raise InventoryError(f"{name}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise InventoryError(f"{name} has not ended after {timeout:g} s (timeout)") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        told = lines[0] if lines else "it printed no error"
        raise InventoryError(f"{name} failed with exit status {done.returncode}: {told}")
    return done.stdout


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        # Without the text, in which there may be secrets.
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "its text"
        told = f"not JSON ({where})" if text.strip() else "nothing"
        raise InventoryError(
            f"{name} printed {told}: an inventory program prints JSON, usually with --list"
        ) from None


def _groups(
    value: Any,
    name: str,
    chosen: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
) -> Groups:
    """The groups of a document. Raises InventoryError."""
    try:
        document = parsed(value)
        for data in document.all_variables():
            for key in [key for key in data if any(fnmatchcase(key, item) for item in ignore)]:
                del data[key]
        groups, ignored = groups_of(document, chosen)
    except DocumentError as error:
        raise InventoryError(f"{name}: {error}") from None
    if ignored:
        listed = ", ".join(f"{key} ({len(hosts)})" for key, hosts in sorted(ignored.items()))
        logger.warning(f"{name}: ignored, as it is Ansible's own (number of hosts): {listed}")
    if not any(groups.values()):
        raise InventoryError(f"{name}: it has no hosts: a group is a list of hosts")
    return groups
