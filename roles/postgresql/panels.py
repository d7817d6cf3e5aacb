"""What dashboards show of PostgreSQL. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.dashboards import WINDOW, Panel, Query, panel
from groundcrew.metrics import HOSTS
from groundcrew.roles.postgresql.metrics import JOB
from groundcrew.roles.postgresql.settings import PostgresqlSettings


def panels(settings: PostgresqlSettings) -> Iterator[Panel]:
    """Whether it answers, its connections, its work and its replicas."""
    yield panel(
        "databases",
        "PostgreSQL servers that answer",
        Query(f'sum(pg_up{{job="{JOB}",{HOSTS}}})', "up"),
        kind="number",
    )
    yield panel(
        "databases",
        "PostgreSQL: connections in use",
        Query(
            f"100 * groundcrew_postgresql_connections{{{HOSTS}}} "
            f"/ groundcrew_postgresql_connections_allowed{{{HOSTS}}}"
        ),
        unit="%",
        most=100,
        limits=(settings.connections_used,),
    )
    yield panel(
        "databases",
        "PostgreSQL: transactions",
        Query(
            f"rate(groundcrew_postgresql_work_commits{{{HOSTS}}}[{WINDOW}])",
            "{{instance}}: committed",
        ),
        Query(
            f"rate(groundcrew_postgresql_work_rollbacks{{{HOSTS}}}[{WINDOW}])",
            "{{instance}}: rolled back",
        ),
        unit="/s",
    )
    hits, reads = (
        f"rate(groundcrew_postgresql_work_{name}{{{HOSTS}}}[{WINDOW}])"
        for name in ("from_memory", "from_disk")
    )
    yield panel(
        "databases",
        "PostgreSQL: pages read from its own memory",
        Query(f"100 * {hits} / ({hits} + {reads} > 0)"),
        unit="%",
        most=100,
    )
    yield panel(
        "databases",
        "PostgreSQL: size of all databases",
        Query(f"sum by (instance) (pg_database_size_bytes{{{HOSTS}}})"),
        unit="bytes",
    )
    yield panel(
        "databases",
        "PostgreSQL: replicas behind",
        Query(f"groundcrew_postgresql_replica_lag_seconds{{{HOSTS}}}", "{{replica}}"),
        unit="s",
        limits=(settings.max_lag,),
    )
