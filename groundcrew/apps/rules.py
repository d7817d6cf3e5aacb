"""Which rules hold for a path: those of every shorter path, key by key, then its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from groundcrew.apps.location import Location


@dataclass(frozen=True)
class Rules:
    """What holds for a path, and which key of `nginx.locations` each rule comes from."""

    values: Location
    origins: Mapping[str, str]


def rules_for(path: str, locations: Mapping[str, Location], *, exact: bool = True) -> Rules:
    """The rules for one path or, unless `exact`, for all that begin with it."""
    path = path.partition("?")[0]
    # `/admin/` holds for `/admin` too: many applications answer both alike.
    reach = f"{path}/" if exact else path
    keys = sorted(key for key in locations if not key.startswith("=") and reach.startswith(key))
    if exact and f"= {path}" in locations:
        keys.append(f"= {path}")
    found: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for key in keys:
        rules = locations[key]
        # An answer of one's own replaces the other kind that a shorter path gives.
        if rules.deny:
            found.pop("return_", None)
        if rules.return_:
            found.pop("deny", None)
        for name in rules.model_fields_set:
            value = getattr(rules, name)
            found[name] = {**found.get(name, {}), **value} if name == "headers" else value
            origins[name] = key
    return Rules(Location.model_construct(**found), origins)


def guarded(locations: Mapping[str, Location]) -> bool:
    """Whether any path is not for everybody."""
    return any(
        rules.deny
        or any(rule is not None for rule in (rules.allow, rules.basic_auth, rules.auth_request))
        for rules in locations.values()
    )
