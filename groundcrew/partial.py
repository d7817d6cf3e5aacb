"""Runs that leave out roles: `only` and `skip` of the command line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from pyinfra import logger

from groundcrew.contract import Brought
from groundcrew.results.result import Check, NotCheckedError, Status, warn

S = TypeVar("S")
VERIFY = "verify"
"""The role that judges a run. `only` does not leave it out."""

_told: set[str] = set()


@dataclass(frozen=True)
class Parts:
    """The roles of a host that a run works on: `"nginx" in parts`."""

    roles: tuple[str, ...]
    """All roles, in the order of the settings."""

    left_out: frozenset[str] = frozenset()

    def __contains__(self, role: object) -> bool:
        return role not in self.left_out

    def brought(self, all_roles: Brought) -> Brought:
        """What the roles bring that the run works on."""
        return Brought({name: item for name, item in all_roles.roles.items() if name in self})

    def missing(self, roles: Iterable[str]) -> list[str]:
        """Those of the roles that are left out."""
        return [name for name in roles if name not in self]


ALL = Parts(())
"""Nothing is left out."""


def parts(roles: Collection[str], only: Collection[str], skip: Collection[str]) -> Parts:
    """The roles that a run works on."""
    kept = {*only, VERIFY} if only else set(roles)
    return Parts(tuple(roles), frozenset(set(roles) - kept | set(skip)))


def tell(chosen: Parts, all_roles: Brought) -> None:
    """Says once in a run what it leaves out, and what others need of it."""
    if not chosen.left_out:
        return
    left = [name for name in chosen.roles if name in chosen.left_out]
    lines = [f"Left out of this run: {', '.join(left)}"]
    for name, item in all_roles.roles.items():
        missing = chosen.missing(item.relies_on) if name in chosen else []
        if missing:
            lines.append(f"{name} needs {' and '.join(missing)}: as an earlier run has left it")
    for line in lines:
        if line not in _told:
            _told.add(line)
            logger.info(line)


def lenient(
    checks: Mapping[str, Callable[[S], Iterable[Check]]], missing: Mapping[str, Collection[str]]
) -> dict[str, Callable[[S], Iterable[Check]]]:
    """The checks, of which those that depend on roles that are left out (title -> roles) warn
    instead of failing."""
    return {
        title: _warning(title, check, missing[title]) if missing.get(title) else check
        for title, check in checks.items()
    }


def _warning(
    title: str, check: Callable[[S], Iterable[Check]], roles: Collection[str]
) -> Callable[[S], Iterable[Check]]:
    why = f"left out of this run: {', '.join(roles)}"

    def judged(seen: S) -> Iterator[Check]:
        try:
            for result in check(seen):
                failed = result.status is Status.FAIL
                detail = f"{result.detail} ({why})"
                yield replace(result, status=Status.WARN, detail=detail) if failed else result
        except NotCheckedError as error:
            yield warn(title, f"not checked: {error} ({why})")

    return judged
