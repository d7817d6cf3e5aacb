"""Reads `apps/NAME.yml`."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from groundcrew.settings.errors import Problem, nearest

NAME = re.compile(r"^[a-z][a-z0-9-]{0,23}$")

# A system user, a unit and directories in /srv and /run are named after the application.
_TAKEN = """
    adm audio backup bin cdrom console cron daemon dbus deploy dialout dip disk docker fax
    floppy games git gnats groundcrew initctl irc kmem list lock log lp mail man mariadb
    memcache mount mysql netdev news nginx nobody nogroup ntp operator plugdev postfix postgres
    postgresql prometheus proxy redis root rpc rsyslog run sasl screen sendsigs sgx shadow shm
    src sshd staff sudo sync sys syslog systemd tape tmux tty udev user users utmp uucp uuidd
    uwsgi valkey video voice web www-data
"""
RESERVED = frozenset(_TAKEN.split())


class _UniqueKeys(yaml.SafeLoader):
    """YAML's safe types, and a key given twice is an error instead of a silent loss."""


def _mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise yaml.MarkedYAMLError(problem=f'key "{key}" is given twice (line {line})')
        seen.add(key)
    loader.flatten_mapping(node)
    return yaml.SafeLoader.construct_mapping(loader, node)


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def names(project: Path) -> list[str]:
    """Names of all manifests in `apps/`."""
    return sorted(path.stem for path in (project / "apps").glob("*.yml"))


def read(project: Path, name: str) -> tuple[dict[str, Any] | None, list[Problem]]:
    """The manifest's mapping, or None and what is wrong with it."""
    layer = f"apps/{name}.yml"

    def wrong(message: str) -> tuple[None, list[Problem]]:
        return None, [Problem(f"app.{name}", layer, message)]

    if not NAME.match(name):
        return wrong("an application's name is 1-24 of a-z, 0-9 and -, starting with a letter")
    if name in RESERVED:
        return wrong(f'"{name}" is the name of a system user or directory; choose another')
    try:
        text = (project / layer).read_text(encoding="utf-8")
        data = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 - derives from SafeLoader
    except FileNotFoundError:
        return wrong(f"no such manifest{nearest(name, names(project))}")
    except (OSError, UnicodeDecodeError) as error:
        return wrong(f"cannot be read: {error}")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        return wrong(f"not valid YAML: {getattr(error, 'problem', None) or error}{where}")
    if not isinstance(data, dict):
        return wrong("expected a mapping of settings")
    return data, []
