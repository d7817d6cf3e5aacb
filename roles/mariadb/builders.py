"""Files of MariaDB. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from groundcrew.bindings import Binding
from groundcrew.bindings.bound import certificate_file
from groundcrew.entries import Directory, Entry, File
from groundcrew.memory import in_bytes
from groundcrew.roles.mariadb.settings import SOCKET, MariadbSettings
from groundcrew.templates import render

FOLDER = "/etc/groundcrew/mariadb"
CERTIFICATE = certificate_file("mariadb")
KEY = f"{FOLDER}/tls.key"
CONFIGURATION = "/etc/mysql/mariadb.conf.d/90-groundcrew.cnf"
DROP_IN = "/etc/systemd/system/mariadb.service.d/groundcrew.conf"
SLOW_LOG = "/var/log/mysql/mariadb-slow.log"
# The server reads the file as for a start, and prints its options instead of starting.
VALIDATE = (
    "cd / && runuser -u mysql -- mariadbd --defaults-file={} --verbose --help 2>&1 >/dev/null "
    "| grep ERROR && exit 1; true"
)
LOCAL = ("localhost", "127.0.0.1")
"""From where an application of the host itself connects."""
FILES = 33000
"""Files that the server opens besides one for each connection."""
DATA = "/var/lib/mysql"
READING = (
    "character_set_server", "collation_server", "default_time_zone",
    "explicit_defaults_for_timestamp", "innodb_page_size", "innodb_strict_mode",
    "lower_case_table_names", "sql_mode",
)  # fmt: skip
"""Parameters that decide how a server reads data and statements."""
LOG_DAYS = 14
"""Days that the server keeps binary logs for backups."""


def addresses(bindings: Sequence[Binding]) -> list[str]:
    """Addresses of other hosts whose applications need the server."""
    return sorted({address for item in bindings for address in item.addresses})


def hosts(binding: Binding) -> dict[str, int | None]:
    """Names and addresses that the application connects from, each with the largest number of
    connections from there."""
    return {
        place: client.connections
        for client in binding.clients
        for place in ((client.address,) if client.address else LOCAL)
    }


def binary_log(settings: MariadbSettings) -> str:
    """Path of the binary logs without their numbers, on a host that is backed up."""
    given = settings.parameters.get("log_bin") or "groundcrew-bin"
    return str(PurePosixPath(DATA, given).with_suffix(""))


def reading(settings: MariadbSettings) -> list[str]:
    """Options that a server with a copy of the data needs like this one."""
    values = {
        "character_set_server": "utf8mb4",
        "collation_server": "utf8mb4_unicode_ci",
        **{name: settings.parameters[name] for name in READING if name in settings.parameters},
    }
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items() if value]


def entries(
    settings: MariadbSettings, bindings: Sequence[Binding], backed_up: bool = False
) -> list[Entry]:
    """Configuration, and what restricts the unit."""
    others = addresses(bindings)
    return [
        Directory("/etc/groundcrew"),
        Directory(FOLDER, mode="0750", group="mysql"),
        File(
            CONFIGURATION,
            configuration(settings, bool(others), backed_up),
            validate=VALIDATE,
        ),
        Directory("/etc/systemd/system/mariadb.service.d"),
        File(
            DROP_IN,
            render(
                "mariadb/service.conf.j2",
                memory_max=settings.profile.memory_max,
                open_files=FILES + settings.profile.max_connections,
                addresses=others,
            ),
        ),
    ]


def configuration(settings: MariadbSettings, remote: bool, backed_up: bool = False) -> str:
    """The server's parameters. With backups, it logs every change."""
    profile = settings.profile
    cache = in_bytes(settings.query_cache) if settings.query_cache else 0
    own = {
        "bind-address": "*" if remote else "127.0.0.1",
        "port": settings.port,
        "socket": SOCKET,
        "skip-name-resolve": "ON",
        "local-infile": "OFF",
        "character-set-server": "utf8mb4",
        "collation-server": "utf8mb4_unicode_ci",
        **({"ssl-cert": CERTIFICATE, "ssl-key": KEY} if remote else {}),
        "max_connections": profile.max_connections,
        "open_files_limit": FILES + profile.max_connections,
        "innodb_buffer_pool_size": f"{profile.buffer_pool}M",
        "innodb_log_file_size": f"{max(48, profile.buffer_pool // 4)}M",
        "innodb_flush_log_at_trx_commit": "1",
        "query_cache_type": "ON" if cache else "OFF",
        "query_cache_size": cache,
        "slow_query_log": "ON",
        "slow_query_log_file": SLOW_LOG,
        "long_query_time": settings.slow_query,
        **(_logging(settings) if backed_up else {}),
    }
    chosen = {**own, **settings.parameters}
    values = {name: value for name, value in chosen.items() if value is not None}
    return render("mariadb/server.cnf.j2", values=values)


def _logging(settings: MariadbSettings) -> dict[str, Any]:
    return {
        "server_id": 1,
        "log_bin": binary_log(settings),
        "binlog_format": "ROW",
        "sync_binlog": 1,
        "binlog_expire_logs_seconds": LOG_DAYS * 24 * 3600,
    }
