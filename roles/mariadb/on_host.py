"""Databases and logins of MariaDB, its unit, and what the checks read.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
Request: {"files": [PATH], "accounts": [{"app", "account", "database", "store", "hosts": {name or
address: largest number of connections from there, or null}}], "certificate": see
`groundcrew.remote.self_signed`, or null, "exporter": see `groundcrew.remote.exporter_login`; only
on a host that is monitored}.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import last_line, run
from groundcrew.remote.credentials import (
    DATABASE,
    Login,
    account_of,
    databases_of,
    forget,
    logins,
    make_logins,
    note,
    of_application,
    rotating,
    stores,
    users_of,
)
from groundcrew.remote.exporter_login import (
    exporter_differences,
    exporter_login,
    make_exporter_login,
    start_exporter,
)
from groundcrew.remote.self_signed import certificate_differences, make_certificate
from groundcrew.remote.unit_control import bring_up, unit_differences

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.roles.mariadb.report import Database, Server

Data = dict[str, Any]
SERVICE = "mariadb"
UNIT = "mariadb.service"
SOCKET = "/run/mysqld/mysqld.sock"
LOCAL = ("localhost", "127.0.0.1")
PLUGIN = "mysql_native_password"
MONITORING = 3
"""Connections of monitoring."""
STATE = """
SELECT CONCAT('user\t', User, '\t', Host, '\t', Priv) FROM mysql.global_priv;
SELECT CONCAT('grant\t', User, '\t', Host, '\t', Db) FROM mysql.db WHERE Grant_priv = 'N'
  AND Select_priv = 'Y' AND Create_priv = 'Y' AND Alter_priv = 'Y' AND Delete_priv = 'Y';
SELECT CONCAT('other\t', User, '\t', Host, '\t', Db) FROM mysql.db WHERE NOT (Grant_priv = 'N'
  AND Select_priv = 'Y' AND Create_priv = 'Y' AND Alter_priv = 'Y' AND Delete_priv = 'Y');
SELECT CONCAT('database\t', SCHEMA_NAME) FROM information_schema.SCHEMATA;
"""
# The server's own, and what Debian's maintenance uses.
OWN = {"information_schema", "mysql", "performance_schema", "sys"}


class ServerError(Exception):
    """The server cannot be reached or refuses a statement; the message says why."""


def client(statements: str, socket: str = SOCKET) -> str:
    """The output of SQL, run as root over a server's socket. No file of the host is read for the
    server, whatever it asks for."""
    result = subprocess.run(
        ["/usr/bin/mariadb", "--no-defaults", "--local-infile=0", "--batch", "--raw",
         "--skip-column-names", f"--socket={socket}"],
        input=statements, check=False, capture_output=True, text=True, timeout=120, cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"},
    )  # fmt: skip
    if result.returncode != 0:
        # Lines before the last one may be the statement.
        raise ServerError(last_line(result.stderr) or "no answer")
    return result.stdout


def answers(socket: str = SOCKET) -> bool:
    """Whether the server answers."""
    try:
        return client("SELECT 1;", socket).strip() == "1"
    except (ServerError, OSError):
        return False


def server(socket: str = SOCKET) -> Data:
    """Users, grants and databases of the server."""
    state: Data = {"users": {}, "grants": set(), "others": set(), "databases": set()}
    for line in client(STATE, socket).splitlines():
        kind, *values = line.split("\t")
        if kind == "user":
            state["users"][values[0], values[1]] = json.loads(values[2])
        elif kind == "grant":
            state["grants"].add(tuple(values))
        elif kind == "other":
            state["others"].add(tuple(values))
        elif kind == "database":
            state["databases"].add(values[0])
    return state


def hashed(password: str) -> str:
    """What the server stores of a password."""
    first = hashlib.sha1(password.encode()).digest()  # noqa: S324 - it is the server's format
    return "*" + hashlib.sha1(first).hexdigest().upper()  # noqa: S324


def quoted(text: str) -> str:
    """A quoted text."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def name(text: str) -> str:
    """A quoted identifier."""
    escaped = text.replace("`", "``")
    return f"`{escaped}`"


def pattern(database: str) -> str:
    """The name of a database in a grant, where `_` and `%` stand for others."""
    return database.replace("\\", "\\\\").replace("_", r"\_").replace("%", r"\%")


def changes(request: Data, state: Data) -> list[tuple[str, str]]:
    """What differs in the server: a line for people, and the statement that changes it."""
    lines: list[tuple[str, str]] = []
    databases = set(state["databases"])
    wanted: set[tuple[str, str]] = set()
    for account in request["accounts"]:
        database = account["database"]
        if database not in databases:
            databases.add(database)
            text = f"CREATE DATABASE {name(database)} CHARACTER SET utf8mb4"
            lines.append((f"no database {database}", f"{text} COLLATE utf8mb4_unicode_ci"))
        for login in logins(account["store"], account["account"]):
            for host, most in account["hosts"].items():
                wanted.add((login.user, host))
                lines += _login(login, host, state)
                lines += _connections(login.user, host, most, state)
                lines += _grants(login.user, host, database, state)
    lines += _monitor(exporter_login(request.get("exporter")), state)
    return lines + _unbound(wanted, state) + _open(state)


def _monitor(login: Login | None, state: Data) -> list[tuple[str, str]]:
    """The login of monitoring, which may do nothing but connect: that suffices for figures."""
    if login is None:
        return []
    key = (login.user, "localhost")
    differing = _login(login, key[1], state) + _connections(*key, MONITORING, state)
    more = {grant[:2] for grant in state["grants"] | state["others"]}
    if key in more or state["users"].get(key, {}).get("access"):
        who = f"{quoted(login.user)}@'localhost'"
        revoke = f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {who}"
        differing.append((f"{login.user} may do more than it needs", revoke))
    return differing


def _grants(user: str, host: str, database: str, state: Data) -> list[tuple[str, str]]:
    """What a login may do: everything with its database, and nothing else."""
    who, mine = f"{quoted(user)}@{quoted(host)}", (user, host, pattern(database))
    grant = f"GRANT ALL PRIVILEGES ON {name(pattern(database))}.* TO {who}"
    others = {key for key in state["grants"] | state["others"] if key[:2] == mine[:2]} - {mine}
    if others or state["users"].get(mine[:2], {}).get("access"):
        revoke = f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {who}"
        return [(f"{user}@{host} may do more than it needs", revoke), ("its own database", grant)]
    if mine not in state["grants"]:
        return [(f"{user}@{host} may not use {database}", grant)]
    return []


def _open(state: Data) -> list[tuple[str, str]]:
    """Users without a name, and root from elsewhere than the host: no application has those."""
    lines = []
    for (user, host), item in sorted(state["users"].items()):
        if not user:
            lines.append((f"a user without a name from {host}", f"DROP USER ''@{quoted(host)}"))
        elif user == "root" and host != "localhost" and not item.get("account_locked"):
            lock = f"ALTER USER 'root'@{quoted(host)} ACCOUNT LOCK"
            lines.append((f"root may log in from {host}", lock))
    return lines


def _login(login: Login, host: str, state: Data) -> list[tuple[str, str]]:
    user = state["users"].get((login.user, host))
    who, label = f"{quoted(login.user)}@{quoted(host)}", f"{login.user}@{host}"
    password = f"IDENTIFIED VIA {PLUGIN} USING {quoted(hashed(login.password))}"
    secure = "REQUIRE NONE" if host in LOCAL else "REQUIRE SSL"
    lock = "UNLOCK" if login.enabled else "LOCK"
    if user is None:
        return [(f"no login {label}", f"CREATE USER {who} {password} {secure} ACCOUNT {lock}")]
    lines = []
    if (user.get("plugin"), user.get("authentication_string")) != (PLUGIN, hashed(login.password)):
        lines.append((f"another password of {label}", f"ALTER USER {who} {password}"))
    if bool(user.get("ssl_type")) == (host in LOCAL):
        lines.append((f"{label}: {secure}", f"ALTER USER {who} {secure}"))
    if bool(user.get("account_locked")) == login.enabled:
        lines.append((f"{label}: {lock}", f"ALTER USER {who} ACCOUNT {lock}"))
    return lines


def _connections(user: str, host: str, most: int | None, state: Data) -> list[tuple[str, str]]:
    """How many connections a login may have open. None: as many as it may now."""
    limit = state["users"].get((user, host), {}).get("max_user_connections", 0)
    if most is None or limit == most:
        return []
    who = f"{quoted(user)}@{quoted(host)}"
    text = f"ALTER USER {who} WITH MAX_USER_CONNECTIONS {most}"
    return [(f"{user}@{host}: at most {most} connections", text)]


def _unbound(wanted: set[tuple[str, str]], state: Data) -> list[tuple[str, str]]:
    """Logins of bindings that are gone, or from hosts that are: they are locked, and the databases
    stay."""
    ours = {login.user for store in stores(SERVICE) for login in logins(store, account_of(store))}
    return [
        (
            f"{user}@{host} belongs to no application any more",
            f"ALTER USER {quoted(user)}@{quoted(host)} ACCOUNT LOCK",
        )
        for (user, host), item in sorted(state["users"].items())
        if user in ours and (user, host) not in wanted and not item.get("account_locked")
    ]


def files(request: Data) -> list[str]:
    """Files that the server reads when it starts."""
    certificate = request["certificate"]
    return [*request["files"], *([certificate["file"]] if certificate else [])]


def differences(request: Data) -> list[str]:
    """A line for each difference."""
    lines = certificate_differences(request["certificate"])
    lines += [
        f"no password of {account['account']}"
        for account in request["accounts"]
        if not logins(account["store"], account["account"])
    ]
    problems = unit_differences(UNIT, files(request))
    if f"{UNIT} does not run" in problems:
        return lines + problems
    lines += problems + [line for line, _ in changes(request, server())]
    return lines + exporter_differences(request.get("exporter"))


def converge(request: Data) -> None:
    """Makes the changes."""
    if certificate_differences(request["certificate"]):
        make_certificate(request["certificate"])
    for account in request["accounts"]:
        make_logins(account["store"], account["account"])
        note(account["store"], DATABASE, account["database"])
    make_exporter_login(request.get("exporter"))
    if unit_differences(UNIT, files(request)):
        bring_up(UNIT, answers)
    statements = [statement for _, statement in changes(request, server())]
    if statements:
        client("".join(f"{statement};\n" for statement in statements))
    start_exporter(request.get("exporter"))


def belongings(request: Data, app: str) -> list[str]:
    """Databases and logins of an application. A database that another application uses is none of
    them."""
    state = server()
    databases = [item for item in _databases(request, app) if item in state["databases"]]
    users = [f"{user}@{host}" for user, host in _users(app, state)]
    return [*(f"database {item}" for item in databases), *(f"login {item}" for item in users)]


def discard(request: Data, app: str) -> None:
    """Drops the databases and logins of an application."""
    statements = [
        f"DROP USER {quoted(user)}@{quoted(host)}" for user, host in _users(app, server())
    ]
    statements += [f"DROP DATABASE IF EXISTS {name(item)}" for item in _databases(request, app)]
    if statements:
        client("".join(f"{statement};\n" for statement in statements))
    for store in of_application(SERVICE, app):
        forget(store)


def _databases(request: Data, app: str) -> list[str]:
    return databases_of(SERVICE, app, (item["database"] for item in request["accounts"]))


def _users(app: str, state: Data) -> list[tuple[str, str]]:
    users = users_of(SERVICE, app)
    return sorted(key for key in state["users"] if key[0] in users)


REPORT = """
SELECT CONCAT('version\t', VERSION());
SELECT CONCAT('size\t', SCHEMA_NAME, '\t0') FROM information_schema.SCHEMATA;
SELECT CONCAT('size\t', table_schema, '\t', SUM(data_length + index_length))
  FROM information_schema.TABLES GROUP BY table_schema;
SELECT CONCAT('used\t', COALESCE(DB, ''), '\t', COUNT(*)) FROM information_schema.PROCESSLIST
  WHERE USER NOT IN ('system user', 'event_scheduler') AND ID <> CONNECTION_ID() GROUP BY DB;
SHOW GLOBAL VARIABLES WHERE Variable_name = 'max_connections';
SHOW GLOBAL STATUS WHERE Variable_name IN ('Slow_queries', 'Threads_connected',
  'Innodb_buffer_pool_reads', 'Innodb_buffer_pool_read_requests');
"""


def mariadb(request: Data) -> Server:
    """What the checks and the status need to know."""
    lines = differences(request)
    databases: dict[str, Database] = {}
    values: dict[str, str] = {}
    for line in client(REPORT).splitlines():
        key, *rest = line.split("\t")
        if key in ("size", "used"):
            database = databases.setdefault(rest[0], {"size": 0, "used": 0})
            number = int(float(rest[1] or 0))
            database.update({"size": number} if key == "size" else {"used": number})
        else:
            values[key.lower()] = rest[0]
    for item in (*OWN, ""):
        databases.pop(item, None)
    bound = {account["database"] for account in request["accounts"]}
    for item in bound:
        databases.setdefault(item, {"size": 0, "used": 0})
    asked, missed = (
        int(values[key]) for key in ("innodb_buffer_pool_read_requests", "innodb_buffer_pool_reads")
    )
    memory = run("systemctl", "show", "--property=MemoryCurrent", "--value", UNIT).stdout.strip()
    return {
        "differences": lines,
        "databases": databases,
        "version": values["version"].split("-")[0],
        "used": int(values["threads_connected"]) - 1,
        "allowed": int(values["max_connections"]),
        "slow": int(values["slow_queries"]),
        "hit_rate": max(0.0, round(100 * (asked - missed) / asked, 1)) if asked else None,
        "memory": int(memory) if memory.isdigit() else None,
        "unbound": sorted(set(databases) - bound),
        "rotating": sorted(
            account["account"] for account in request["accounts"] if rotating(account["store"])
        ),
    }
