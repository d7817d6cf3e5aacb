"""What dashboards show of MariaDB. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.dashboards import WINDOW, Panel, Query, panel
from groundcrew.metrics import HOSTS
from groundcrew.roles.mariadb.metrics import JOB
from groundcrew.roles.mariadb.settings import MariadbSettings


def panels(settings: MariadbSettings) -> Iterator[Panel]:
    """Whether it answers, its connections and its work."""
    yield panel(
        "databases",
        "MariaDB servers that answer",
        Query(f'sum(mysql_up{{job="{JOB}",{HOSTS}}})', "up"),
        kind="number",
    )
    yield panel(
        "databases",
        "MariaDB: connections in use",
        Query(
            f"100 * mysql_global_status_threads_connected{{{HOSTS}}} "
            f"/ mysql_global_variables_max_connections{{{HOSTS}}}"
        ),
        unit="%",
        most=100,
        limits=(settings.connections_used,),
    )
    yield panel(
        "databases",
        "MariaDB: queries",
        Query(f"rate(mysql_global_status_queries{{{HOSTS}}}[{WINDOW}])", "{{instance}}: all"),
        Query(f"rate(mysql_global_status_slow_queries{{{HOSTS}}}[{WINDOW}])", "{{instance}}: slow"),
        unit="/s",
    )
    asked, read = (
        f"rate(mysql_global_status_innodb_buffer_pool_{name}{{{HOSTS}}}[{WINDOW}])"
        for name in ("read_requests", "reads")
    )
    yield panel(
        "databases",
        "MariaDB: pages read from its own memory",
        Query(f"100 - 100 * {read} / ({asked} > 0)"),
        unit="%",
        most=100,
    )
