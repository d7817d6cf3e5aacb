"""Reaches PostgreSQL on its own host, and makes it read groundcrew's configuration.

Runs on the host as root, as part of this role's other programs. Standard library and
`groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import run
from groundcrew.remote.self_signed import certificate_differences, make_certificate

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.roles.postgresql.report import Figures

Data = dict[str, Any]
CLUSTERS = "/etc/postgresql"
DATA = "/var/lib/postgresql"
INCLUDE = "conf.d/groundcrew.conf"
# Nothing of what an administrator's session does is logged: it may contain verifiers of passwords.
QUIET = (
    "SET log_statement = 'none'; SET log_min_duration_statement = -1; "
    "SET log_min_error_statement = 'panic';\n"
)
# Whoever owns a database may set these for all sessions in it, the administrator's too: names of
# its own would take the place of the server's, and run with the administrator's rights. What a
# client asks for at its start takes precedence.
UNTOUCHED = {
    "PGCLIENTENCODING": "UTF8",
    "PGOPTIONS": "-c search_path=pg_catalog -c role=none -c standard_conforming_strings=on "
    "-c default_transaction_read_only=off -c statement_timeout=0 -c lock_timeout=0",
}
SETTINGS = """
SELECT json_build_object(
  'loaded', extract(epoch FROM pg_conf_load_time()),
  'pending', (SELECT coalesce(json_agg(name), '[]') FROM pg_settings WHERE pending_restart))
"""


class ServerError(Exception):
    """The server cannot be reached or refuses a statement; the message says why."""


def cluster() -> tuple[str, str]:
    """Version and name of the cluster: the one that has been set up before, or else the newest."""
    clusters = []
    for version in os.listdir(CLUSTERS):
        if re.fullmatch(r"[0-9]+", version):
            path = os.path.join(CLUSTERS, version, "main")
            if os.path.exists(os.path.join(path, "postgresql.conf")):
                ours = os.path.exists(os.path.join(path, INCLUDE))
                clusters.append((ours, int(version), version))
    if not clusters:
        raise ServerError("there is no cluster `main`; make one with pg_createcluster VERSION main")
    return max(clusters)[2], "main"


def data_directory() -> str:
    """Where the cluster's data is. It belongs to postgres."""
    return os.path.join(DATA, *cluster())


def is_standby() -> bool:
    """Whether the server, when it runs, follows a primary or waits for one, and accepts no
    writes."""
    return os.path.lexists(os.path.join(data_directory(), "standby.signal"))


def live() -> dict[str, str]:
    """The environment with which clients reach the cluster."""
    return {"PGCLUSTER": "/".join(cluster())}


def psql(
    statements: str,
    database: str = "postgres",
    server: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> str:
    """The output of SQL, run as the administrator, for whom only names of the server's own count.
    `server` is the environment with which clients reach it; default: `live`."""
    result = subprocess.run(
        [
            "/usr/sbin/runuser", "-u", "postgres", "--", "psql", "--no-psqlrc", "--quiet",
            "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", f"--dbname={database}",
        ],
        input=QUIET + statements,
        check=False,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        cwd="/",
        env={
            "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **UNTOUCHED,
            **(live() if server is None else server),
        },
    )  # fmt: skip
    if result.returncode != 0:
        raise ServerError(_reason(result.stderr))
    return result.stdout.strip()


def _reason(text: str) -> str:
    """psql's error without the statement, which may contain a verifier."""
    words = ("ERROR", "FATAL", "error")
    lines = [line for line in text.splitlines() if any(word in line for word in words)]
    return (lines or text.strip().splitlines() or ["psql failed"])[0]


def name(text: str) -> str:
    """A quoted identifier."""
    quoted = text.replace('"', '""')
    return f'"{quoted}"'


def literal(text: str) -> str:
    """A quoted text."""
    quoted = text.replace("'", "''")
    return f"'{quoted}'"


def configuration_differences(request: Data) -> list[str]:
    """What is wrong with the certificate, and what the server has not read yet."""
    state = json.loads(psql(SETTINGS))
    version, cluster_name = cluster()
    lines = certificate_differences(request["certificate"])
    if _include(version, cluster_name) != _wanted_include(request):
        lines.append("the configuration is not included")
    paths = [request["configuration"], request["hba"]]
    if request["certificate"]:
        paths += [request["certificate"]["file"]]
    if any(os.path.exists(path) and os.stat(path).st_mtime > state["loaded"] for path in paths):
        lines.append("the configuration has changed")
    if state["pending"]:
        lines.append(f"a restart applies {', '.join(state['pending'])}")
    return lines


def _include_path(version: str, cluster_name: str) -> str:
    return os.path.join(CLUSTERS, version, cluster_name, INCLUDE)


def _include(version: str, cluster_name: str) -> str:
    try:
        with open(_include_path(version, cluster_name), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _wanted_include(request: Data) -> str:
    return f"# Managed by groundcrew.\ninclude '{request['configuration']}'\n"


def load_configuration(request: Data) -> None:
    """Makes the certificate, includes the configuration, and reloads or restarts the server if it
    must."""
    if certificate_differences(request["certificate"]):
        make_certificate(request["certificate"])
        # Without it, a server that needs it has not started; systemd goes on trying.
        await_server(15)
    version, cluster_name = cluster()
    if _include(version, cluster_name) != _wanted_include(request):
        _refuse_strangers(request)
        path = _include_path(version, cluster_name)
        staged = f"{path}.{secrets.token_hex(4)}"
        with open(staged, "w", encoding="utf-8") as file:
            file.write(_wanted_include(request))
        os.chmod(staged, 0o644)
        os.replace(staged, path)
        try:
            _refuse_errors()
        except ServerError:
            os.unlink(path)
            raise
        systemctl("restart")
        return
    if configuration_differences(request):
        _refuse_errors()
        psql("SELECT pg_reload_conf()")
        time.sleep(0.5)
        if json.loads(psql(SETTINGS))["pending"]:
            systemctl("restart")


def _refuse_strangers(request: Data) -> None:
    """Raises ServerError if somebody else has set the server up: their users could not connect any
    more."""
    strangers = psql(
        "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' "
        "ORDER BY datname"
    ).split()
    if strangers and not request["adopt"]:
        raise ServerError(
            f"the server has databases already ({', '.join(strangers)}), and only the lines of "
            "postgresql.hba and of applications would count from now on: put what their users need "
            "into postgresql.hba, and set postgresql.adopt: true"
        )


def _refuse_errors() -> None:
    """Raises ServerError, before the server reads its files anew, if they contain errors."""
    version, cluster_name = cluster()
    configuration = os.path.join(CLUSTERS, version, cluster_name, "postgresql.conf")
    # The server's program reads all parameters, as for a start, and prints one of them.
    result = subprocess.run(
        [
            "/usr/sbin/runuser", "-u", "postgres", "--",
            f"/usr/lib/postgresql/{version}/bin/postgres", "-C", "config_file",
            f"--config-file={configuration}",
        ],
        check=False, capture_output=True, text=True, timeout=60, cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    errors = [] if result.returncode == 0 else result.stderr.splitlines()
    texts = [line.split("LOG:")[-1].strip() for line in errors if "LOG:" in line] or errors
    if not texts:
        texts = psql(
            "SELECT error || ' (pg_hba.conf, line ' || line_number || ')' FROM pg_hba_file_rules "
            "WHERE error IS NOT NULL"
        ).splitlines()
    if texts:
        raise ServerError(f"{texts[0]}; nothing was reloaded")


def unit() -> str:
    """The cluster's unit."""
    return "postgresql@{}-{}.service".format(*cluster())


def systemctl(verb: str, patience: float = 30) -> None:
    """Starts, restarts or stops the cluster. Returns when it answers, or has stopped. A server that
    stops first sends its replicas everything."""
    result = subprocess.run(
        ["systemctl", verb, unit()], check=False, capture_output=True, text=True, timeout=900
    )
    if result.returncode != 0:
        log = run("journalctl", "--no-pager", "--no-hostname", "-n", "15", "-u", unit()).stdout
        raise ServerError(f"{unit()} does not {verb}: {result.stderr.strip()}\n{log}")
    if verb != "stop":
        await_server(patience)


def await_server(patience: float) -> None:
    """Returns when the server answers. Raises ServerError if it does not in so many seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            psql("SELECT 1")
        except ServerError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


REPORT = """
SET search_path = pg_catalog, public;
SELECT json_build_object(
  'version', current_setting('server_version'),
  'used', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') - 1,
  'allowed', current_setting('max_connections')::int,
  'hit_rate', (SELECT round(100.0 * sum(blks_hit) / nullif(sum(blks_hit + blks_read), 0), 1)
               FROM pg_stat_database),
  'databases', (SELECT json_object_agg(datname, json_build_object('size', pg_database_size(oid),
      'used', (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid)))
    FROM pg_database d WHERE NOT datistemplate AND datname <> 'postgres'),
  'slow', (SELECT sum(calls) FROM pg_stat_statements WHERE mean_exec_time > {slow}))
"""


def figures() -> Figures:
    """Figures of the server, whether it is a primary or a replica."""
    shown = run("systemctl", "show", "--property=MemoryCurrent", "--value", unit()).stdout.strip()
    memory = int(shown) if shown.isdigit() else None
    slow = psql("SHOW log_min_duration_statement")
    number = int(re.sub(r"\D", "", slow) or 0)
    milliseconds = number if slow.endswith("ms") else number * 1000
    report: Figures = json.loads(psql(REPORT.format(slow=milliseconds)))
    return {**report, "unit": unit(), "memory": memory}
