"""What an inventory says that is data: groups, hosts and their variables. Pure.

Two shapes are read, also mixed. A short one, in which a group is a list of hosts; and Ansible's, in
which it has `hosts`, `vars` and `children`, with the variables of hosts in `_meta.hostvars` if a
command prints it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundcrew.inventories.ansible import translated
from groundcrew.settings.errors import nearest

Groups = dict[str, list[tuple[str, dict[str, Any]]]]
"""Group -> its hosts, each with its own data."""

META = "_meta"
EVERY = "all"
UNGROUPED = "ungrouped"
KEYS = ("children", "hosts", "vars")


class DocumentError(Exception):
    """An inventory is not valid; the message says what, where, and what to do."""


@dataclass
class _Group:
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)


@dataclass
class Document:
    """An inventory as it is written."""

    groups: dict[str, _Group] = field(default_factory=dict)
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Host -> its variables from `_meta`."""

    def all_variables(self) -> Iterator[dict[str, Any]]:
        """Those of groups and of hosts, which may be changed."""
        for group in self.groups.values():
            yield group.variables
            yield from group.hosts.values()
        yield from self.variables.values()

    def add(self, name: str, body: Any, key: str) -> None:
        """Adds what is said about a group. Raises DocumentError."""
        group = self.groups.setdefault(name, _Group())
        if isinstance(body, (list, tuple)):
            for index, item in enumerate(body):
                host, data = _listed(item, f"{key}[{index}]")
                group.hosts.setdefault(host, {}).update(data)
            return
        if body is None:
            return
        if not isinstance(body, Mapping):
            raise DocumentError(f"{key}: expected a list of hosts, but it is {_kind(body)}")
        for word in body:
            if word not in KEYS:
                raise DocumentError(
                    f'{key}: "{word}" is none of a group\'s keys{nearest(str(word), KEYS)}'
                )
        for host, data in _hosts(body.get("hosts"), f"{key}.hosts"):
            group.hosts.setdefault(host, {}).update(data)
        group.variables.update(_mapping(body.get("vars"), f"{key}.vars"))
        for child, inner in _children(body.get("children"), f"{key}.children"):
            group.children.append(child)
            self.add(child, inner, f"{key}.children.{child}")


def parsed(value: Any) -> Document:
    """An inventory from the value of its YAML or JSON. Raises DocumentError."""
    if not isinstance(value, Mapping):
        raise DocumentError(f"expected groups, each with its hosts, but it is {_kind(value)}")
    if "plugin" in value:
        raise DocumentError(
            "this configures one of Ansible's inventory plugins: let Ansible run it, with "
            'hosts_from_command(["ansible-inventory", "-i", FILE, "--list"]) in a Python inventory'
        )
    document = Document()
    for name, body in value.items():
        if name == META:
            meta = _mapping(body, META)
            for host, data in _mapping(meta.get("hostvars"), f"{META}.hostvars").items():
                document.variables[str(host)] = _mapping(data, f"{META}.hostvars.{host}")
            continue
        document.add(str(name), body, str(name))
    return document


def groups_of(
    document: Document, chosen: Mapping[str, str] | None = None
) -> tuple[Groups, dict[str, list[str]]]:
    """The groups as pyinfra knows them, and the variables of Ansible that were left out, each with
    its hosts. `chosen` maps the names of the groups that are taken to the names that they get.
    Raises DocumentError."""
    if chosen is not None:
        for name in chosen:
            if name not in document.groups:
                raise DocumentError(
                    f'groups: there is no group "{name}"{nearest(name, document.groups)}'
                )
    members = {name: list(_members(document, name, ())) for name in document.groups}
    data = {host: _data(document, host, members) for host in _every(document)}
    ignored: dict[str, list[str]] = {}
    own: dict[str, dict[str, Any]] = {}
    for host, variables in data.items():
        try:
            own[host], left = translated(variables)
        except ValueError as error:
            raise DocumentError(f"{host}: {error}") from None
        for name in left:
            ignored.setdefault(name, []).append(host)
    groups: Groups = {}
    for name, hosts in members.items():
        if name in (EVERY, UNGROUPED) or (chosen is not None and name not in chosen):
            continue
        mine = groups.setdefault((chosen or {}).get(name, name), [])
        known = {host for host, _ in mine}
        mine += [(host, own[host]) for host in hosts if host not in known]
    # Hosts without a group are in no other one.
    listed = data if chosen is None else {host for hosts in groups.values() for host, _ in hosts}
    for host in listed:
        _refuse_connector(host)
    groups[EVERY] = [(host, own[host]) for host in data if host in listed]
    return groups, ignored


def _refuse_connector(host: str) -> None:
    """Raises DocumentError for a name that pyinfra takes for one of its connectors. Who names
    machines in a cloud could otherwise make a run act on the operator's own."""
    if host.startswith("@"):
        raise DocumentError(
            f'"{host}": names of hosts must not begin with "@": pyinfra takes such a name for a '
            "way to connect, and @local for this machine. Only a Python inventory may name it"
        )


def _members(document: Document, name: str, above: Sequence[str]) -> Iterator[str]:
    """The hosts of a group and of the groups in it. Raises DocumentError."""
    if name in above:
        raise DocumentError(f"{' -> '.join((*above, name))}: a group is in itself")
    group = document.groups[name]
    yield from group.hosts
    for child in group.children:
        yield from _members(document, child, (*above, name))


def _every(document: Document) -> Iterable[str]:
    """All hosts, in the order of the document."""
    return dict.fromkeys(host for name in document.groups for host in _members(document, name, ()))


def _data(document: Document, host: str, members: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """A host's variables: those of all hosts, of its groups, the inner ones after the outer ones,
    and its own."""
    mine = [name for name, hosts in members.items() if host in hosts and name != EVERY]
    mine.sort(key=lambda name: _depth(document, name))
    result: dict[str, Any] = {}
    if EVERY in document.groups:
        result = _merged(result, document.groups[EVERY].variables)
    for name in mine:
        result = _merged(result, document.groups[name].variables)
    for group in document.groups.values():
        result = _merged(result, group.hosts.get(host, {}))
    return _merged(result, document.variables.get(host, {}))


def _depth(document: Document, name: str) -> int:
    """How many groups a group is in."""
    above = [key for key, group in document.groups.items() if name in group.children]
    return max((_depth(document, key) + 1 for key in above), default=0)


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings, merged deeply; the second one wins."""
    result = dict(first)
    for key, value in second.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def _listed(item: Any, key: str) -> tuple[str, dict[str, Any]]:
    """A host of a list: its name, or its name with its data."""
    if isinstance(item, str):
        return item, {}
    if isinstance(item, Mapping) and len(item) == 1:
        [(name, data)] = item.items()
        return str(name), _mapping(data, f"{key}.{name}")
    raise DocumentError(
        f"{key}: expected the name of a host, or `NAME: {{key: value}}`, but it is {_kind(item)}"
    )


def _hosts(value: Any, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, (list, tuple)):
        yield from (_listed(item, f"{key}[{index}]") for index, item in enumerate(value))
        return
    for name, data in _mapping(value, key).items():
        yield str(name), _mapping(data, f"{key}.{name}")


def _children(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (list, tuple)):
        for item in value:
            yield str(item), None
        return
    for name, body in _mapping(value, key).items():
        yield str(name), body


def _mapping(value: Any, key: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise DocumentError(f"{key}: expected keys with values, but it is {_kind(value)}")
    return {str(name): item for name, item in value.items()}


def _kind(value: Any) -> str:
    """What a value is, without its content, which may be secret."""
    match value:
        case None:
            return "empty"
        case bool() | int() | float():
            return "a number or a truth value"
        case str():
            return "a text"
        case list():
            return "a list"
    return "a mapping with several keys" if len(value) != 1 else "a mapping"
