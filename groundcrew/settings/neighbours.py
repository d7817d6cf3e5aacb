"""Lets every host know the others of the inventory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import TypeVar

from groundcrew.metrics import Measured, Neighbour
from groundcrew.settings.checks import Report
from groundcrew.settings.errors import Problem
from groundcrew.settings.host import HostBase

Model = TypeVar("Model", bound=HostBase)


def acquainted(
    hosts: Mapping[str, Model], addresses: Mapping[str, str], problem: Mapping[str, Report]
) -> tuple[dict[str, Model], list[Problem]]:
    """The settings of all hosts, each with all hosts of the inventory, and what roles cannot do at
    their places."""
    strangers = tuple(
        Neighbour(name, addresses[name], settings.place.groups) for name, settings in hosts.items()
    )
    alone = {name: _at(settings, name, strangers) for name, settings in hosts.items()}
    among = {name: settings.among(alone) for name, settings in alone.items()}
    first = {name: settings for name, (settings, _) in among.items()}
    problems = [
        problem[name](path, reason)
        for name, (settings, contradictions) in among.items()
        # A host that contradicts others may not know what it brings.
        for path, reason in (contradictions or settings.misplaced())
    ]
    # What a host's roles bring costs time, and only monitoring asks for that of others.
    known = tuple(replace(item, measured=_measured(first[item.name])) for item in strangers)
    placed = {name: _at(settings, name, known) for name, settings in first.items()}
    # Hosts with a problem may not know what they bring.
    problems = problems or [
        problem[name](path, reason)
        for name, settings in placed.items()
        for path, reason in settings.unknown()
    ]
    return placed, problems


def _at(settings: Model, name: str, hosts: tuple[Neighbour, ...]) -> Model:
    return settings.placed(replace(settings.place, name=name, hosts=hosts))


def _measured(settings: HostBase) -> Callable[[], Measured]:
    return cache(lambda: settings.brought.measured)
