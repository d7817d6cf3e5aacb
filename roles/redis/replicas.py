"""Replicas of Redis: whether one fits its primary, and what programs on hosts are asked. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from groundcrew.bindings import Replication
from groundcrew.bindings.bound import ca_file
from groundcrew.contract import Promotion
from groundcrew.roles.redis import builders
from groundcrew.roles.redis.settings import RedisSettings

PROMOTION = "groundcrew.roles.redis.on_host_promotion"
ALIKE = ("appendonly", "appendfsync", "save", "maxmemory-policy", "databases")
"""Parameters that must not differ: what is on disk, and what happens to keys."""


def unfit(
    settings: RedisSettings, part: str, primary: RedisSettings
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Why an instance cannot be a replica of a primary's: the role's key, and the reason."""
    own, followed = settings.running[part], primary.running[part]
    if settings.server != primary.server:
        yield ("server",), f"is {settings.server}, and the primary's {primary.server}"
    if own.purpose != followed.purpose:
        text = f"is {own.purpose}, and the primary's {followed.purpose}"
        yield ("instances", part, "purpose"), text
        return
    yield from _memory(settings, part, primary)
    values, theirs = (builders.values(item, part, remote=False) for item in (settings, primary))
    for key in ALIKE:
        if values.get(key) != theirs.get(key):
            text = f"{key} is {values.get(key)}, and the primary's {theirs.get(key)}"
            yield ("instances", part, "parameters"), text


def _memory(
    settings: RedisSettings, part: str, primary: RedisSettings
) -> Iterator[tuple[tuple[str, ...], str]]:
    """A replica that has less memory than its primary would be killed when that one fills up."""
    own, followed = settings.running[part], primary.running[part]
    given = (own.maxmemory or settings.size, followed.maxmemory or primary.size)
    if "auto" in given:
        # Known on the hosts alone.
        return
    for key in ("maxmemory", "memory_max"):
        mine, least = (getattr(item, key)(part) for item in (settings, primary))
        if mine < least:
            where = ("size",) if getattr(own, key) is None else ("instances", part, key)
            yield where, f"gives {part} {mine} MiB ({key}), and the primary has {least} MiB"
            return


def primary_of(settings: RedisSettings, link: Replication) -> dict[str, Any]:
    """The primary, for the programs on the replica's host."""
    return {
        "host": link.provider,
        "address": link.address,
        "port": link.port,
        "server": settings.server,
        "store": link.store,
        "ca": ca_file(link),
    }


def promotion(settings: RedisSettings, link: Replication) -> Promotion:
    """How a replica becomes the primary."""
    return Promotion(
        title=f"Redis ({link.part})",
        key=f"redis.instances.{link.part}.replica_of",
        module=PROMOTION,
        request={
            "server": settings.server,
            "name": link.part,
            "socket": settings.socket(link.part),
            "configuration": builders.configuration_file(link.part),
            "link": builders.link_file(link.part),
            "primary": primary_of(settings, link),
        },
        max_lag=settings.max_lag,
    )
