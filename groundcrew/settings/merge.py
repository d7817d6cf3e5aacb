"""Deep merge of layers that records where each value came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str, ...]

DEFAULTS = "defaults"
"""Name of the layer of values that are not set."""


@dataclass(frozen=True)
class Layer:
    """Values from one place; later layers win."""

    name: str
    data: Mapping[str, Any]

    shared: bool = False
    """Whether it applies to many hosts, as a group's does."""


@dataclass
class Merged:
    """The merged values, and for each leaf the layer that set it."""

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)

    def origin(self, path: Path) -> str:
        """The layer that set the value at `path`, or the value that contains it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]]
        return DEFAULTS

    def nearest_origin(self, path: Path) -> str:
        """The layer to correct if `path` is wrong or missing: the one that set it, else the first
        that set anything in it or in its nearest parent."""
        if (origin := self.origin(path)) != DEFAULTS:
            return origin
        for end in range(len(path), 0, -1):
            for key, layer in self.origins.items():
                if layer != DEFAULTS and key[:end] == path[:end]:
                    return layer
        return DEFAULTS

    def value(self, path: Path) -> Any:
        """The value at `path`; None if there is none."""
        node: Any = self.data
        for part in path:
            if isinstance(node, Mapping):
                # Keys may be numbers; in a path they are text.
                node = next((value for key, value in node.items() if str(key) == part), None)
            elif isinstance(node, (list, tuple)) and part.isdecimal() and int(part) < len(node):
                node = node[int(part)]
            else:
                return None
        return node


def merge(layers: Iterable[Layer]) -> Merged:
    """Merges mappings deeply; any other value, including a list, replaces the earlier one."""
    merged = Merged()
    for layer in layers:
        _into(merged, merged.data, layer.data, (), layer.name)
    return merged


def _into(
    merged: Merged, target: dict[str, Any], source: Mapping[str, Any], path: Path, layer: str
) -> None:
    for key, value in source.items():
        here = (*path, str(key))
        if isinstance(value, Mapping) and value:
            if not isinstance(target.get(key), dict):
                target[key] = {}
            merged.origins.pop(here, None)
            _into(merged, target[key], value, here, layer)
        elif isinstance(value, Mapping) and isinstance(target.get(key), dict):
            continue  # an empty mapping adds nothing to an existing one
        else:
            _forget(merged, here)
            target[key] = dict(value) if isinstance(value, Mapping) else value
            merged.origins[here] = layer


def _forget(merged: Merged, path: Path) -> None:
    for known in [key for key in merged.origins if key[: len(path)] == path]:
        del merged.origins[known]
