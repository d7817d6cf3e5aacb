"""Deep merge of layers that remembers where each value came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """Values from one place; later layers win."""

    name: str
    data: Mapping[str, Any]


@dataclass
class Merged:
    """The merged values, and for each leaf the layer that set it."""

    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)

    def origin(self, path: Path) -> str | None:
        """The layer of the value at `path`, of what it lies in, or of what lies in it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]]
        inside = [name for key, name in self.origins.items() if key[: len(path)] == path]
        return inside[-1] if inside else None


def merge(layers: Iterable[Layer]) -> Merged:
    """Merge mappings deeply; anything else (lists too) replaces what was there."""
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
                _forget(merged, here)
                target[key] = {}
            merged.origins.pop(here, None)
            _into(merged, target[key], value, here, layer)
        elif isinstance(value, Mapping) and isinstance(target.get(key), dict):
            continue  # an empty mapping adds nothing to one that is there
        else:
            _forget(merged, here)
            target[key] = dict(value) if isinstance(value, Mapping) else value
            merged.origins[here] = layer


def _forget(merged: Merged, path: Path) -> None:
    for known in [key for key in merged.origins if key[: len(path)] == path]:
        del merged.origins[known]
