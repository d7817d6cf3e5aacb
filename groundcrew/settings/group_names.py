"""Which roles a host has because of its groups in the inventory. Pure.

A group has the name of its role, or another name that the role lists (`GroupSettings.also`).
Several roles may list the same one: then `servers` says which is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from groundcrew.settings.errors import nearest

Names = Mapping[str, Sequence[str]]
"""Other name of a group -> the groups that can be meant."""

WEB = "web"
WORKER = "worker"
RUN_APPLICATIONS = frozenset({WEB, WORKER})
"""Groups whose hosts run applications."""


def complete(groups: Iterable[str], servers: Iterable[str], names: Names) -> frozenset[str]:
    """The groups of a host, with those that other names and `servers` mean."""
    groups = frozenset(groups)
    meant = {names[group][0] for group in groups & names.keys() if len(names[group]) == 1}
    return groups | meant | frozenset(servers)


def unknown(servers: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """Names of `servers` that no group has."""
    known = sorted(known)
    for name in servers:
        if name not in known:
            yield f'there is no server "{name}"{nearest(name, known)}'


def unsaid(groups: Iterable[str], names: Names) -> Iterator[tuple[str, str]]:
    """Groups of a host without `servers` that can be several: the group, and what is missing."""
    groups = sorted(groups)
    for group in groups:
        meant = names.get(group, ())
        if len(meant) > 1 and not set(groups) & set(meant):
            yield (
                group,
                f'is missing: the group "{group}" can be {", ".join(meant)}: '
                f'servers = ["{meant[-1]}"] says which, servers = [] none',
            )
