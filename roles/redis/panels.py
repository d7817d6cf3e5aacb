"""What dashboards show of Redis. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.dashboards import WINDOW, Panel, Query, panel
from groundcrew.metrics import HOSTS
from groundcrew.roles.redis.metrics import JOB
from groundcrew.roles.redis.settings import RedisSettings

NAME = "{{server}} of {{instance}}"


def panels(settings: RedisSettings) -> Iterator[Panel]:
    """Whether instances answer, their memory, their work and their connections."""
    yield panel(
        "databases",
        "Redis instances that answer",
        Query(f'sum(redis_up{{job="{JOB}",{HOSTS}}})', "up"),
        kind="number",
    )
    yield panel(
        "databases",
        "Redis: memory in use",
        Query(
            f"100 * redis_memory_used_bytes{{{HOSTS}}} / (redis_memory_max_bytes{{{HOSTS}}} > 0)",
            NAME,
        ),
        unit="%",
        most=100,
        limits=(settings.memory_used,),
        about="A cache may be full: it drops what was not used for long. A queue may not.",
    )
    yield panel(
        "databases",
        "Redis: commands",
        Query(f"rate(redis_commands_processed_total{{{HOSTS}}}[{WINDOW}])", NAME),
        unit="/s",
    )
    hits, misses = (
        f"rate(redis_keyspace_{name}_total{{{HOSTS}}}[{WINDOW}])" for name in ("hits", "misses")
    )
    yield panel(
        "databases",
        "Redis: keys that were there when asked for",
        Query(f"100 * {hits} / ({hits} + {misses} > 0)", NAME),
        unit="%",
        most=100,
    )
    yield panel(
        "databases", "Redis: connections", Query(f"redis_connected_clients{{{HOSTS}}}", NAME)
    )
