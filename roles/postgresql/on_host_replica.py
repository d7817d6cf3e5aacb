"""A replica of PostgreSQL: sets it up, lets it follow its primary, and tells how far behind it is.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
Request: {"port", "configuration": PATH, "hba": PATH, "adopt", "certificate", "primary": {"host",
"address", "port", "slot", "store", "ca": PATH, "passfile": PATH}, "move_aside": bool}.

Data that may exist nowhere else is never deleted: it is moved aside. The directory of the data
belongs to postgres, so that postgres and not root works in it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from typing import TYPE_CHECKING, Any

from groundcrew.remote.credentials import active_login
from groundcrew.roles.postgresql.on_host_commands import as_postgres
from groundcrew.roles.postgresql.on_host_passfile import passfile_is_right, write_passfile
from groundcrew.roles.postgresql.on_host_server import (
    ServerError,
    cluster,
    configuration_differences,
    data_directory,
    figures,
    is_standby,
    literal,
    load_configuration,
    psql,
    systemctl,
)

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.replication import OwnLag
    from groundcrew.roles.postgresql.report import Server

Data = dict[str, Any]
PATIENCE = 20
"""Seconds within which a server that can follow its primary does so."""

STATE = """
SELECT json_build_object(
  'recovering', pg_is_in_recovery(),
  'conninfo', current_setting('primary_conninfo'),
  'slot', current_setting('primary_slot_name'),
  'version', current_setting('server_version_num')::int / 10000,
  'databases', (SELECT coalesce(json_agg(datname ORDER BY datname), '[]') FROM pg_database
                WHERE NOT datistemplate AND datname <> 'postgres'),
  'tables', EXISTS (SELECT FROM pg_class WHERE relkind IN ('r', 'p') AND oid >= 16384
                    AND relname <> 'pg_stat_statements'))
"""
LAG = """
SELECT json_build_object(
  'recovering', pg_is_in_recovery(),
  'streaming', coalesce((SELECT status = 'streaming' FROM pg_stat_wal_receiver), false),
  'bytes', greatest(0, pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())),
  'seconds', CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
    ELSE coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0) END,
  'last', pg_last_xact_replay_timestamp())
"""


def state() -> Data:
    """What the server is, and what it follows."""
    answer: Data = json.loads(psql(STATE))
    return answer


def lag() -> OwnLag:
    """Whether the replica receives something, and how far behind it is."""
    answer: OwnLag = json.loads(psql(LAG))
    return answer


def conninfo(primary: Data, **more: str) -> str:
    """How the replica connects to its primary. There is no password in it."""
    login = active_login(primary["store"])
    if login is None:
        raise ServerError(f"the login for {primary['host']} is not here: run deploy.py with it")
    values = {
        "host": primary["address"],
        "port": str(primary["port"]),
        "user": login[0],
        "passfile": primary["passfile"],
        "sslmode": "verify-full",
        "sslrootcert": primary["ca"],
        "application_name": primary["slot"],
        "connect_timeout": "10",
        **more,
    }
    return " ".join(f"{key}={value}" for key, value in values.items())


def differences(request: Data) -> list[str]:
    """A line for each difference."""
    primary = request["primary"]
    try:
        server = state()
    except ServerError as error:
        return [f"it does not answer: {error}"]
    if not server["recovering"]:
        return [f"it is no replica of {primary['host']}"]
    lines = configuration_differences(request)
    if server["conninfo"] != conninfo(primary) or server["slot"] != primary["slot"]:
        return [*lines, f"it does not follow {primary['host']}"]
    if not passfile_is_right(primary):
        lines.append(f"it does not have the password for {primary['host']}")
    elif not lag()["streaming"] and answers(primary) and not _streams(8):
        lines.append(f"it receives nothing from {primary['host']}, which answers")
    return lines


def converge(request: Data) -> None:
    """Makes the changes: a server that can follow the primary does so; any other gets a copy."""
    primary = request["primary"]
    write_passfile(primary)
    theirs = _primary_version(primary)
    ours = int(cluster()[0])
    if theirs != ours:
        raise ServerError(
            f"{primary['host']} has PostgreSQL {theirs}, and this host {ours}: a replica needs the "
            "same major version"
        )
    refusal = None
    if is_standby():
        # A primary that has been stopped for a promotion: it accepts no writes.
        systemctl("start", patience=300)
    try:
        server = state()
    except ServerError as error:
        refusal = f"its server does not answer ({error}), so that nobody knows what it contains"
    else:
        if server["recovering"]:
            load_configuration(request)
            _follow(primary)
            if _streams(PATIENCE):
                return
        elif server["databases"] or server["tables"]:
            names = ", ".join(server["databases"]) or "postgres"
            refusal = f"it has databases of its own ({names})"
    if refusal and not request["move_aside"]:
        raise ServerError(
            f"{refusal}. As a replica of {primary['host']} it would lose them. If that is wanted, "
            "run deploy.py with --data postgresql.move_aside=yes: they are kept beside the new data"
        )
    if not refusal:
        load_configuration(request)
    _copy(request)


def answers(primary: Data) -> bool:
    """Whether the primary lets the replica in."""
    try:
        _primary_version(primary)
    except ServerError:
        return False
    return True


def _primary_version(primary: Data) -> int:
    """The primary's major version. Raises ServerError if it cannot be asked."""
    result = subprocess.run(
        [
            "/usr/sbin/runuser", "-u", "postgres", "--", "psql", "--no-psqlrc", "--tuples-only",
            "--no-align", "--no-password", "--command=SHOW server_version_num",
            f"--dbname={conninfo(primary, replication='true', connect_timeout='5')}",
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    if result.returncode != 0:
        told = " ".join(result.stderr.split()) or "no answer"
        raise ServerError(f"{primary['host']} cannot be reached for replication: {told}")
    return int(result.stdout) // 10000


def _follow(primary: Data) -> None:
    """Tells a server in recovery which primary to follow."""
    psql(
        f"ALTER SYSTEM SET primary_conninfo = {literal(conninfo(primary))};\n"
        f"ALTER SYSTEM SET primary_slot_name = {literal(primary['slot'])};\n"
        "SELECT pg_reload_conf();"
    )


def _streams(patience: float) -> bool:
    """Whether the server receives from its primary within so many seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            if lag()["streaming"]:
                return True
        except ServerError:
            pass
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)


def _copy(request: Data) -> None:
    """Replaces the cluster's data with a copy of the primary's. The old data is moved aside, unless
    the cluster is new and empty."""
    primary = request["primary"]
    version, _ = cluster()
    data = data_directory()
    time_of = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    new, before = f"{data}.new", f"{data}.before-{time_of}"
    empty = _is_empty()
    systemctl("stop")
    try:
        as_postgres("rm", "-rf", "--one-file-system", "--", new)
        as_postgres(
            f"/usr/lib/postgresql/{version}/bin/pg_basebackup", f"--pgdata={new}",
            "--wal-method=stream", f"--slot={primary['slot']}", "--checkpoint=fast",
            "--no-password", f"--dbname={conninfo(primary)}",
        )  # fmt: skip
        settings = (
            f"primary_conninfo = {literal(conninfo(primary))}\n"
            f"primary_slot_name = {literal(primary['slot'])}\n"
        )
        as_postgres("tee", "-a", os.path.join(new, "postgresql.auto.conf"), text=settings)
        as_postgres("touch", os.path.join(new, "standby.signal"))
    except BaseException:
        systemctl("start")
        raise
    if os.path.lexists(data):
        as_postgres("mv", "--no-target-directory", data, before)
    as_postgres("mv", "--no-target-directory", new, data)
    systemctl("start", patience=600)
    load_configuration(request)
    if not _streams(60):
        raise ServerError(f"it has a copy of {primary['host']}'s data, but receives nothing more")
    if empty:
        as_postgres("rm", "-rf", "--one-file-system", "--", before)


def _is_empty() -> bool:
    try:
        server = state()
    except ServerError:
        return False
    return not (server["recovering"] or server["databases"] or server["tables"])


def kept_aside() -> list[str]:
    """Directories of data that has been moved aside."""
    folder, name = os.path.split(data_directory())
    pattern = re.compile(rf"{re.escape(name)}\.before-\w+")
    return sorted(
        os.path.join(folder, item) for item in os.listdir(folder) if pattern.fullmatch(item)
    )


def postgresql(request: Data) -> Server:
    """What the checks and the status need to know."""
    lines = differences(request)
    return {
        **figures(),
        "differences": lines,
        "unbound": [],
        "rotating": [],
        "replicas": [],
        "replica": {**lag(), "of": request["primary"]["host"], "aside": kept_aside()},
    }
