"""Databases and logins of PostgreSQL, and what the checks read.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
Request: {"port", "configuration": PATH, "hba": PATH, "accounts": [{"account", "database", "store",
"extensions", "app", "connections": number or null}], "replicas": [{"host", "account", "store"}],
"adopt": bool, "certificate": see `groundcrew.remote.self_signed`, or null, "backup": PATH,
"preload", "exporter": see `groundcrew.remote.exporter_login`}.
`backup` is pgBackRest's configuration, and `preload` the libraries that the server loads at its
start; they are there only if the host is backed up, and `exporter` only if it is monitored.

Each database has an owner of its own name, which cannot log in. The logins are members of the owner
and act as it, so that whatever one of them creates belongs to all of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
from groundcrew.roles.postgresql.on_host_replicas import followers, replica_changes
from groundcrew.roles.postgresql.on_host_repository import (
    repository_differences,
    set_up_repository,
)
from groundcrew.roles.postgresql.on_host_server import (
    ServerError,
    configuration_differences,
    figures,
    is_standby,
    literal,
    load_configuration,
    name,
    psql,
)

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.roles.postgresql.report import Server

Data = dict[str, Any]
SERVICE = "postgresql"
ITERATIONS = 4096
MONITORING = 3
"""Connections of monitoring."""
RECOVERING = (
    "it accepts no writes: it is a replica, or its replica has been promoted. Say in the inventory "
    "which host is the primary (`postgresql.replica_of`), or promote it (playbooks/promote.py)"
)
EXTEND = "SET search_path = public;\nCREATE EXTENSION {}"
"""Where an extension is made that has no schema of its own."""
STATE = """
SELECT json_build_object(
  'roles', (SELECT coalesce(json_object_agg(r.rolname, json_build_object(
      'login', r.rolcanlogin, 'connections', r.rolconnlimit,
      'replication', r.rolreplication, 'password', r.rolpassword,
      'settings', (SELECT s.setconfig FROM pg_db_role_setting s
                   WHERE s.setrole = r.oid AND s.setdatabase = 0),
      'of', (SELECT coalesce(json_agg(g.rolname), '[]') FROM pg_auth_members m
             JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid))), '{}')
    FROM pg_authid r WHERE r.rolname !~ '^pg_'),
  'databases', (SELECT json_object_agg(datname, json_build_object(
      'owner', pg_get_userbyid(datdba),
      'open', EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) a
                      WHERE a.grantee = 0)))
    FROM pg_database WHERE NOT datistemplate),
  'slots', (SELECT coalesce(json_object_agg(slot_name, json_build_object(
      'active', active, 'state', wal_status)), '{}') FROM pg_replication_slots))
"""


def server(reached: Mapping[str, str] | None = None) -> Data:
    """Roles, databases and replication slots of a server; `reached` is as for `psql`."""
    state: Data = json.loads(psql(STATE, server=reached))
    return state


def verifier(password: str, salt: bytes) -> str:
    """What PostgreSQL stores of a password (SCRAM-SHA-256)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    client = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    stored, key = hashlib.sha256(client).digest(), hmac.new(salted, b"Server Key", hashlib.sha256)
    texts = [base64.b64encode(item).decode() for item in (salt, stored, key.digest())]
    return f"SCRAM-SHA-256${ITERATIONS}:{texts[0]}${texts[1]}:{texts[2]}"


def fits(password: str, stored: str | None) -> bool:
    """Whether a stored verifier is that of the password."""
    match = re.fullmatch(r"SCRAM-SHA-256\$4096:([^$]+)\$.*", stored or "")
    if not match:
        return False
    return hmac.compare_digest(verifier(password, base64.b64decode(match.group(1))), stored or "")


def changes(request: Data, state: Data) -> list[tuple[str, str]]:
    """What differs in the server: a line for people, and the statement that changes it."""
    differing: list[tuple[str, str]] = []
    roles, databases = state["roles"], state["databases"]
    for account in request["accounts"]:
        owner = database = account["database"]
        if owner not in roles:
            differing.append((f"no role {owner}", f"CREATE ROLE {name(owner)} NOLOGIN"))
            roles[owner] = {}
        for login in logins(account["store"], account["account"]):
            differing += _login(login, owner, roles.get(login.user))
            differing += _connections(login.user, account["connections"], roles.get(login.user, {}))
        if database not in databases:
            differing.append(
                (
                    f"no database {database}",
                    f"CREATE DATABASE {name(database)} OWNER {name(owner)} ENCODING 'UTF8' "
                    "LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' TEMPLATE template0",
                )
            )
            databases[database] = {"owner": owner, "open": True}
        if databases[database]["owner"] != owner:
            differing.append(
                (
                    f"{database} does not belong to {owner}",
                    f"ALTER DATABASE {name(database)} OWNER TO {name(owner)}",
                )
            )
        if databases[database]["open"]:
            differing.append(
                (
                    f"{database} is open to all",
                    f"REVOKE ALL ON DATABASE {name(database)} FROM PUBLIC",
                )
            )
            databases[database]["open"] = False
    for item in request.get("replicas", []):
        for login in logins(item["store"], item["account"]):
            differing += _password(login, roles.get(login.user))
    differing += _monitor(exporter_login(request.get("exporter")), roles)
    return differing + _unbound(request, roles) + replica_changes(request, state)


def _password(login: Login, role: Data | None) -> list[tuple[str, str]]:
    user = name(login.user)
    told = literal(verifier(login.password, secrets.token_bytes(16)))
    if role is None:
        return [(f"no login {login.user}", f"CREATE ROLE {user} NOLOGIN PASSWORD {told}")]
    if not fits(login.password, role["password"]):
        return [(f"another password of {login.user}", f"ALTER ROLE {user} PASSWORD {told}")]
    return []


def _monitor(login: Login | None, roles: Data) -> list[tuple[str, str]]:
    """The login of monitoring, which reads the server's figures and no data."""
    if login is None:
        return []
    differing = _password(login, roles.get(login.user))
    role = roles.get(login.user) or {"login": False, "of": []}
    user = name(login.user)
    if "pg_monitor" not in role["of"]:
        text = f"{login.user} may not read the server's figures"
        differing.append((text, f"GRANT pg_monitor TO {user}"))
    if not role["login"]:
        differing.append((f"{login.user}: LOGIN", f"ALTER ROLE {user} LOGIN"))
    return differing + _connections(login.user, MONITORING, role)


def _login(login: Login, owner: str, role: Data | None) -> list[tuple[str, str]]:
    user = name(login.user)
    differing = _password(login, role)
    role = role or {"login": False, "password": None, "settings": None, "of": []}
    if owner not in role["of"]:
        differing.append(
            (f"{login.user} is no member of {owner}", f"GRANT {name(owner)} TO {user}")
        )
    if f"role={owner}" not in (role["settings"] or []):
        differing.append(
            (
                f"{login.user} does not act as {owner}",
                f"ALTER ROLE {user} SET role = {literal(owner)}",
            )
        )
    if role["login"] != login.enabled:
        word = "LOGIN" if login.enabled else "NOLOGIN"
        differing.append((f"{login.user}: {word}", f"ALTER ROLE {user} {word}"))
    return differing


def _connections(user: str, most: int | None, role: Data) -> list[tuple[str, str]]:
    """How many connections a login may have open. None: as many as it may now."""
    if most is None or role.get("connections") == most:
        return []
    text = f"ALTER ROLE {name(user)} CONNECTION LIMIT {most}"
    return [(f"{user}: at most {most} connections", text)]


def _unbound(request: Data, roles: Data) -> list[tuple[str, str]]:
    """Logins of bindings that are gone: they are locked, and their databases stay."""
    wanted = {account["store"] for account in request["accounts"]}
    differing = []
    for store in stores(SERVICE):
        if store in wanted:
            continue
        for login in logins(store, account_of(store)):
            if roles.get(login.user, {}).get("login"):
                text = f"{login.user} belongs to no application any more"
                differing.append((text, f"ALTER ROLE {name(login.user)} NOLOGIN"))
    return differing


def _extensions(request: Data, state: Data) -> list[tuple[str, str, str]]:
    """Missing extensions: a line for people, the database and the statement."""
    lacking = []
    wanted = {"postgres": {"pg_stat_statements"}}
    for account in request["accounts"]:
        if account["extensions"]:
            wanted.setdefault(account["database"], set()).update(account["extensions"])
    for database, extensions in sorted(wanted.items()):
        present: set[str] = set()
        if database in state["databases"]:
            present = set(psql("SELECT extname FROM pg_extension", database).split())
        lacking += [
            (f"no extension {item} in {database}", database, EXTEND.format(name(item)))
            for item in sorted(extensions - present)
        ]
    return lacking


def differences(request: Data) -> list[str]:
    """A line for each difference."""
    if is_standby():
        return [RECOVERING]
    lines = [
        f"no password of {account['account']}"
        for account in (*request["accounts"], *request["replicas"])
        if not logins(account["store"], account["account"])
    ]
    state = server()
    lines += configuration_differences(request) + repository_differences(request)
    lines += [line for line, _ in changes(request, state)]
    lines += [line for line, _, _ in _extensions(request, state)]
    return lines + exporter_differences(request.get("exporter"))


def converge(request: Data) -> None:
    """Makes the changes."""
    if is_standby():
        raise ServerError(RECOVERING)
    for account in request["accounts"]:
        make_logins(account["store"], account["account"])
        note(account["store"], DATABASE, account["database"])
    for item in request["replicas"]:
        make_logins(item["store"], item["account"])
    make_exporter_login(request.get("exporter"))
    load_configuration(request)
    set_up_repository(request)
    state = server()
    for _, statement in changes(request, state):
        psql(statement)
    for _, database, statement in _extensions(request, server()):
        psql(statement, database)
    start_exporter(request.get("exporter"))


def belongings(request: Data, app: str) -> list[str]:
    """Databases and logins of an application. A database that another application uses is none of
    them."""
    state = server()
    databases = [
        f"database {item}" for item in _databases(request, app) if item in state["databases"]
    ]
    users = [user for user in users_of(SERVICE, app) if user in state["roles"]]
    return databases + [f"login {user}" for user in users]


def discard(request: Data, app: str) -> None:
    """Drops the databases and logins of an application."""
    roles = server()["roles"]
    for user in users_of(SERVICE, app):
        if user in roles:
            psql(f"DROP ROLE {name(user)}")
    for database in _databases(request, app):
        psql(f"DROP DATABASE IF EXISTS {name(database)} WITH (FORCE)")
        psql(f"DROP ROLE IF EXISTS {name(database)}")
    for store in of_application(SERVICE, app):
        forget(store)


def _databases(request: Data, app: str) -> list[str]:
    return databases_of(SERVICE, app, (item["database"] for item in request["accounts"]))


def postgresql(request: Data) -> Server:
    """What the checks and the status need to know."""
    lines, report = differences(request), figures()
    bound = {account["database"] for account in request["accounts"]}
    return {
        **report,
        "differences": lines,
        "replicas": followers(request["replicas"]),
        "replica": None,
        "unbound": sorted(set(report["databases"] or {}) - bound),
        "rotating": sorted(
            item["account"]
            for item in (*request["accounts"], *request["replicas"])
            if rotating(item["store"])
        ),
    }
