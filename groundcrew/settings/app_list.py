"""Determines a host's applications: the lists of its groups add up.

A host in two groups has the applications of both: the second group's list must not hide the
first's. A list for one host, or on the command line, replaces them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from groundcrew.settings.merge import Layer

LIST, WITHOUT = "apps", "apps_without"
BETWEEN = " + "
"""Separator between the names of a list's layers."""


def add_up(layers: Sequence[Layer]) -> list[Layer]:
    """The layers, strongest last, with the lists of applications and of removed applications
    combined into one each.

    A value that is not a list of names is left as it is, for validation to report.
    """
    if not all(is_names(layer.data.get(key, [])) for layer in layers for key in (LIST, WITHOUT)):
        return list(layers)
    names: dict[str, str] = {}
    without: dict[str, str] = {}
    said: dict[str, None] = {}
    shared = [layer for layer in layers if layer.shared]
    own = [[layer] for layer in layers if not layer.shared]
    # All groups first, so that their order does not matter.
    for group in [shared, *own]:
        if any(LIST in layer.data for layer in group):
            names, said = (names, said) if group is shared else ({}, {})
        for layer in group:
            if LIST in layer.data:
                said[layer.name] = None
            names |= {name: layer.name for name in layer.data.get(LIST, []) if name not in names}
        for layer in group:
            for name in layer.data.get(WITHOUT, []):
                without[name] = layer.name
                names.pop(name, None)
    rest = [replace(layer, data=_less(layer.data)) for layer in layers]
    if said:
        origin = BETWEEN.join(dict.fromkeys(names.values()) or said)
        rest.append(Layer(origin, {LIST: list(names)}))
    if without:
        rest.append(Layer(BETWEEN.join(dict.fromkeys(without.values())), {WITHOUT: list(without)}))
    return [layer for layer in rest if layer.data]


def is_names(value: Any) -> bool:
    """Whether a value is a list of strings."""
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)


def _less(data: Any) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in (LIST, WITHOUT)}
