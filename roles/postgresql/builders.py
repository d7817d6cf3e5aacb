"""Files of PostgreSQL. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence

from groundcrew.bindings import Binding, Replication
from groundcrew.bindings.bound import certificate_file
from groundcrew.entries import Directory, Entry, File
from groundcrew.exporters import ACCOUNT
from groundcrew.memory import in_bytes
from groundcrew.remote.backup_source import COPIES
from groundcrew.roles.postgresql.settings import PostgresqlSettings
from groundcrew.templates import render

FOLDER = "/etc/groundcrew/postgresql"
CONFIGURATION = f"{FOLDER}/postgresql.conf"
HBA = f"{FOLDER}/pg_hba.conf"
CERTIFICATE = certificate_file("postgresql")
KEY = f"{FOLDER}/tls.key"
PASSFILE = f"{FOLDER}/primary.pgpass"
"""The password of a replica for its primary."""
PRELOADED = "pg_stat_statements"
BACKUP = f"{FOLDER}/pgbackrest.conf"
REPOSITORY = f"{COPIES}/postgresql"
# $PWD is the data's directory. pgBackRest drops WAL rather than fill the disk with it.
ARCHIVE = f'pgbackrest --config={BACKUP} --stanza=main --pg1-path="$PWD" archive-push "%p"'
# The server reads the file as for a start, and prints a parameter instead of starting.
VALIDATE = (
    "cd / && runuser -u postgres -- $(ls -d /usr/lib/postgresql/*/bin/postgres | tail -1) "
    "-C port -D / -c config_file={} >/dev/null"
)
ARCHIVING = {"archive_mode": "on", "archive_command": ARCHIVE, "archive_timeout": "300"}
DROP_IN = "/etc/systemd/system/postgresql@.service.d/groundcrew.conf"


def entries(
    settings: PostgresqlSettings,
    bindings: Sequence[Binding],
    replicas: Sequence[Replication] = (),
    follows: Sequence[Replication] = (),
    *,
    backed_up: bool = False,
    measured: bool = False,
) -> list[Entry]:
    """Configuration, access rules, what restricts the unit, and what backups need."""
    remote = clients(bindings, replicas)
    addresses = sorted({*remote, *(item.address for item in follows)})
    return [
        Directory("/etc/groundcrew"),
        Directory(FOLDER, mode="0750", group="postgres"),
        File(
            CONFIGURATION,
            configuration(settings, bool(remote), backed_up),
            mode="0640",
            group="postgres",
            validate=VALIDATE,
        ),
        File(
            HBA,
            access_rules(settings, bindings, replicas, backed_up=backed_up, measured=measured),
            mode="0640",
            group="postgres",
        ),
        *(_repository(settings) if backed_up else ()),
        Directory("/etc/systemd/system/postgresql@.service.d"),
        File(
            DROP_IN,
            render(
                "postgresql/service.conf.j2",
                memory_max=f"{settings.profile.memory_max}M",
                addresses=addresses,
                repository=REPOSITORY if backed_up else "",
            ),
        ),
    ]


def _repository(settings: PostgresqlSettings) -> list[Entry]:
    """What pgBackRest needs."""
    return [
        Directory("/var/lib/groundcrew"),
        Directory(posixpath.dirname(COPIES), mode="0711"),
        Directory(COPIES, mode="0711"),
        Directory(REPOSITORY, mode="0700", user="postgres", group="postgres"),
        File(
            BACKUP,
            render("postgresql/pgbackrest.conf.j2", repository=REPOSITORY, port=settings.port),
            mode="0640",
            group="postgres",
        ),
    ]


def clients(bindings: Sequence[Binding], replicas: Sequence[Replication]) -> list[str]:
    """Addresses of other hosts that connect to the server, sorted."""
    return sorted(
        {address for item in bindings for address in item.addresses}
        | {item.client for item in replicas}
    )


def configuration(settings: PostgresqlSettings, remote: bool, backed_up: bool = False) -> str:
    """postgresql.conf's additions."""
    profile = settings.profile
    own = {
        "hba_file": HBA,
        "listen_addresses": "*" if remote else "localhost",
        "port": str(settings.port),
        "unix_socket_directories": "/run/postgresql",
        "max_connections": str(profile.max_connections),
        "superuser_reserved_connections": "3",
        "password_encryption": "scram-sha-256",
        "ssl": "on" if remote else "off",
        **({"ssl_cert_file": CERTIFICATE, "ssl_key_file": KEY} if remote else {}),
        "shared_buffers": f"{profile.shared_buffers}MB",
        "effective_cache_size": f"{profile.effective_cache_size}MB",
        "work_mem": f"{profile.work_mem}MB",
        "maintenance_work_mem": f"{max(16, profile.shared_buffers // 4)}MB",
        "random_page_cost": "1.1",
        "wal_compression": "on",
        "max_slot_wal_keep_size": f"{in_bytes(settings.max_slot_wal_keep_size) >> 20}MB",
        "jit": "off",
        "shared_preload_libraries": PRELOADED,
        "log_min_duration_statement": settings.slow_statement,
        "log_checkpoints": "on",
        "log_lock_waits": "on",
        "log_temp_files": "10MB",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "idle_in_transaction_session_timeout": "10min",
        "timezone": "UTC",
        "log_timezone": "UTC",
        **(ARCHIVING if backed_up else {}),
    }
    chosen = {**own, **settings.parameters}
    values = {name: value for name, value in chosen.items() if value is not None}
    return render("postgresql/postgresql.conf.j2", values=values)


def preloaded(settings: PostgresqlSettings) -> str:
    """Libraries that the server loads at its start."""
    return settings.parameters.get("shared_preload_libraries", PRELOADED) or ""


def access_rules(
    settings: PostgresqlSettings,
    bindings: Sequence[Binding],
    replicas: Sequence[Replication] = (),
    *,
    backed_up: bool = False,
    measured: bool = False,
) -> str:
    """pg_hba.conf: one line for each way in which an application or a replica may connect."""
    return render(
        "postgresql/pg_hba.conf.j2",
        lines=list(_rules(bindings)),
        restores=backed_up,
        measured=f"{ACCOUNT}_a,{ACCOUNT}_b" if measured else "",
        replicas=[
            (f"{item.account}_a,{item.account}_b", _network(item.client)) for item in replicas
        ],
        more=list(settings.hba),
    )


def _rules(bindings: Iterable[Binding]) -> Iterator[tuple[str, ...]]:
    for item in bindings:
        who = (item.database, f"{item.account}_a,{item.account}_b")
        if item.local:
            yield ("local", *who, "", "scram-sha-256")
            yield ("host", *who, "127.0.0.1/32", "scram-sha-256")
        for address in item.addresses:
            yield ("hostssl", *who, _network(address), "scram-sha-256")


def _network(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"
