"""The rules for a path: those of shorter paths, overridden key by key by longer ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from groundcrew.manifest.location import Location


@dataclass(frozen=True)
class Rules:
    """The rules for a path, and the key of `nginx.locations` that each one comes from."""

    values: Location
    origins: Mapping[str, str]


def rules_for(path: str, locations: Mapping[str, Location], *, exact: bool = True) -> Rules:
    """The rules for one path or, unless `exact`, for all paths that start with it."""
    path = path.partition("?")[0]
    # `/admin/` also applies to `/admin`, which many applications treat alike.
    reach = f"{path}/" if exact else path
    keys = sorted(key for key in locations if not key.startswith("=") and reach.startswith(key))
    if exact and f"= {path}" in locations:
        keys.append(f"= {path}")
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key in keys:
        rules = locations[key]
        # `deny` and `return` replace each other's value from a shorter path.
        if rules.deny:
            values.pop("return_", None)
        if rules.return_:
            values.pop("deny", None)
        for name in rules.model_fields_set:
            value = getattr(rules, name)
            values[name] = {**values.get(name, {}), **value} if name == "headers" else value
            origins[name] = key
    return Rules(Location.model_construct(**values), origins)


def guarded(locations: Mapping[str, Location]) -> bool:
    """Whether access to any path is restricted."""
    return any(
        rules.deny
        or any(rule is not None for rule in (rules.allow, rules.basic_auth, rules.auth_request))
        for rules in locations.values()
    )
