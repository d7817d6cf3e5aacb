"""What monitoring measures of PostgreSQL, and what it warns of. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.entries import Directory, Entry, File
from groundcrew.exporters import LISTEN, Exporter
from groundcrew.metrics import HOSTS, Rule
from groundcrew.roles.postgresql.settings import PostgresqlSettings
from groundcrew.templates import render

LOGIN = "/etc/groundcrew/postgresql/metrics.env"
QUERIES = "/etc/groundcrew/metrics-postgresql.yml"
MEMORY = 24
MINUTE = 60
JOB = "postgresql"


def exporter(settings: PostgresqlSettings) -> Exporter:
    """The program that asks the server. Its own metrics about sessions have labels that
    applications choose, so it asks for totals instead."""
    return Exporter(
        name=JOB,
        job=JOB,
        package="prometheus-postgres-exporter",
        packaged="prometheus-postgres-exporter.service",
        command=(
            "/usr/bin/prometheus-postgres-exporter",
            f"--web.listen-address={LISTEN}",
            "--disable-default-metrics",
            "--disable-settings-metrics",
            f"--extend.query-path={QUERIES}",
        ),
        port=settings.metrics_port,
        memory=MEMORY,
        secret=LOGIN,
        files=(QUERIES,),
        started=False,
    )


def entries() -> list[Entry]:
    """What it asks the server for."""
    return [
        Directory("/etc/groundcrew"),
        File(QUERIES, render("postgresql/metrics.yml.j2")),
    ]


def environment(settings: PostgresqlSettings) -> str:
    """The file with the login."""
    return (
        f'DATA_SOURCE_NAME="host=/run/postgresql port={settings.port} dbname=postgres '
        'sslmode=disable user={user} password={password}"\n'
    )


def rules(settings: PostgresqlSettings) -> Iterator[Rule]:
    """The server answers, has connections left, and its replicas follow."""
    yield Rule(
        "PostgresqlDown",
        f'pg_up{{job="{JOB}",{HOSTS}}} == 0',
        MINUTE,
        "critical",
        "PostgreSQL of {{ $labels.instance }} does not answer",
        "journalctl -u 'postgresql@*' shows why. If all connections are in use, it accepts none.",
    )
    yield Rule(
        "PostgresqlConnections",
        f"100 * groundcrew_postgresql_connections{{{HOSTS}}} "
        f"/ groundcrew_postgresql_connections_allowed{{{HOSTS}}} > {settings.connections_used}",
        MINUTE,
        "warning",
        'PostgreSQL of {{ $labels.instance }} has {{ $value | printf "%.0f" }} % of its '
        "connections in use",
        "pg_stat_activity shows the clients: use fewer workers, or a larger postgresql.size.",
    )
    yield Rule(
        "PostgresqlReplicaLag",
        f"groundcrew_postgresql_replica_lag_seconds{{{HOSTS}}} > {settings.max_lag} "
        f"or groundcrew_postgresql_replica_connected{{{HOSTS}}} == 0",
        MINUTE,
        "warning",
        "the replica {{ $labels.replica }} of PostgreSQL of {{ $labels.instance }} is behind or "
        "not connected",
        "playbooks/status.py shows how far; PostgreSQL's journal on the replica shows why.",
    )
