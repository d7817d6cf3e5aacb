"""What monitoring measures of MariaDB, and what it warns of. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.exporters import LISTEN, Exporter
from groundcrew.metrics import HOSTS, Rule
from groundcrew.roles.mariadb.settings import SOCKET, MariadbSettings

LOGIN = "/etc/groundcrew/mariadb/metrics.cnf"
MEMORY = 24
MINUTE = 60
JOB = "mariadb"
LEFT_OUT = (
    "info_schema.innodb_cmp", "info_schema.innodb_cmpmem", "info_schema.query_response_time",
    "slave_status",
)  # fmt: skip
"""What the login would need rights for."""


def exporter(settings: MariadbSettings) -> Exporter:
    """The program that asks the server."""
    return Exporter(
        name=JOB,
        job=JOB,
        package="prometheus-mysqld-exporter",
        packaged="prometheus-mysqld-exporter.service",
        command=(
            "/usr/bin/prometheus-mysqld-exporter",
            f"--web.listen-address={LISTEN}",
            "--config.my-cnf={credential}",
            *(f"--no-collect.{item}" for item in LEFT_OUT),
        ),
        port=settings.metrics_port,
        memory=MEMORY,
        credential=LOGIN,
        started=False,
    )


def login_file() -> str:
    """The file with the login."""
    return f"[client]\nsocket={SOCKET}\nuser={{user}}\npassword={{password}}\n"


def rules(settings: MariadbSettings) -> Iterator[Rule]:
    """The server answers, and has connections left."""
    yield Rule(
        "MariadbDown",
        f'mysql_up{{job="{JOB}",{HOSTS}}} == 0',
        MINUTE,
        "critical",
        "MariaDB of {{ $labels.instance }} does not answer",
        "journalctl -u mariadb shows why. If all connections are in use, it accepts none.",
    )
    yield Rule(
        "MariadbConnections",
        f"100 * mysql_global_status_threads_connected{{{HOSTS}}} "
        f"/ mysql_global_variables_max_connections{{{HOSTS}}} > {settings.connections_used}",
        MINUTE,
        "warning",
        'MariaDB of {{ $labels.instance }} has {{ $value | printf "%.0f" }} % of its '
        "connections in use",
        "SHOW PROCESSLIST shows the clients: use fewer workers, or a larger mariadb.size.",
    )
    refused = f'mysql_global_status_connection_errors_total{{error="max_connections",{HOSTS}}}'
    yield Rule(
        "MariadbRefuses",
        f"increase({refused}[5m]) > 0",
        0,
        "critical",
        "MariaDB of {{ $labels.instance }} refuses connections: all are in use",
        "As with MariadbConnections.",
    )
