"""Logins of MongoDB, its unit, and what the checks read.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
Request: {"files": [PATH], "port", "socket", "data": directory, "setup": configuration of a server
without logins, "accounts": [{"app", "account", "database", "store"}], "certificate": see
`groundcrew.remote.self_signed`, or null, "bundle": file with its key and certificate}.
"""

from __future__ import annotations

import base64
import grp
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import run
from groundcrew.remote.credentials import (
    DATABASE,
    FOLDER,
    Login,
    account_of,
    active_login,
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
from groundcrew.remote.self_signed import certificate_differences, make_certificate
from groundcrew.remote.unit_control import bring_up, unit_differences
from groundcrew.roles.mongodb.on_host_client import Command, RefusedError, ServerError, ask
from groundcrew.roles.mongodb.on_host_setup import in_private

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.roles.mongodb.report import Server

Data = dict[str, Any]
SERVICE = "mongodb"
UNIT = "mongod.service"
GROUP = "mongodb"
ADMINISTRATOR = "groundcrew"
MECHANISM = "SCRAM-SHA-256"
MAY = ("readWrite", "dbAdmin")
"""What an application may do with its database: everything but make logins."""

OWN = {"admin", "config", "local"}


def administrator() -> str:
    """Directory of the administrator's login."""
    return os.path.join(FOLDER, "mongodb-admin", "server")


def command(request: Data, *commands: Command, socket: str = "") -> list[Data]:
    """What the server answers to the administrator. Raises ServerError."""
    login = active_login(administrator())
    if login is None:
        raise RefusedError("there is no login of the administrator")
    return ask(socket or request["socket"], login, commands)


def listens(socket: str) -> bool:
    """Whether a server answers anybody at all."""
    try:
        ask(socket, None, [Command("admin", {"hello": 1})], seconds=0.5)
    except RefusedError:
        return True
    except ServerError:
        return False
    return True


def answers(request: Data, socket: str = "") -> bool:
    """Whether the server accepts the administrator's login. Raises ServerError if there is no
    server."""
    try:
        users(request, socket)
    except RefusedError:
        return False
    return True


def users(request: Data, socket: str = "") -> dict[str, Data]:
    """The server's users by name, with what it stores of their passwords. All of groundcrew's are
    in the database `admin`."""
    asked = Command("admin", {"usersInfo": 1, "showCredentials": True})
    [told] = command(request, asked, socket=socket)
    return {item["user"]: item for item in told["users"]}


def has_password(user: Data, password: str) -> bool:
    """Whether a user has a password, for the one mechanism that is allowed."""
    credentials = user.get("credentials", {})
    if set(credentials) != {MECHANISM}:
        return False
    stored = credentials[MECHANISM]
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), base64.b64decode(stored["salt"]), stored["iterationCount"]
    )
    key = hmac.new(salted, b"Client Key", "sha256").digest()
    return hmac.compare_digest(hashlib.sha256(key).digest(), base64.b64decode(stored["storedKey"]))


def roles(database: str) -> list[Data]:
    """What a login of a database may do."""
    return [{"role": role, "db": database} for role in MAY]


def changes(accounts: Sequence[Data], there: dict[str, Data]) -> list[tuple[str, Command]]:
    """What differs in the server: a line for people, and the command that changes it. A login that
    applications may not use now is not there."""
    lines: list[tuple[str, Command]] = []
    wanted: set[str] = set()
    for account in accounts:
        for login in logins(account["store"], account["account"]):
            if login.enabled:
                wanted.add(login.user)
                lines += _login(login, account["database"], there.get(login.user))
    ours = {login.user for store in stores(SERVICE) for login in logins(store, account_of(store))}
    return lines + [
        (f"{name} may log in, and must not now", Command("admin", {"dropUser": name}))
        for name in sorted(ours & {*there} - wanted)
    ]


def _login(login: Login, database: str, user: Data | None) -> list[tuple[str, Command]]:
    if user is None:
        return [(f"no login {login.user}", _made(login.user, login.password, roles(database)))]
    lines = []
    if not has_password(user, login.password):
        password = {"pwd": login.password, "mechanisms": [MECHANISM]}
        change = Command("admin", {"updateUser": login.user, **password})
        lines.append((f"another password of {login.user}", change))
    if _pairs(user.get("roles", [])) != _pairs(roles(database)):
        change = Command("admin", {"updateUser": login.user, "roles": roles(database)})
        lines.append((f"{login.user} may do something other than use {database}", change))
    return lines


def _pairs(given: Sequence[Data]) -> set[tuple[str, str]]:
    return {(item["role"], item["db"]) for item in given}


def _made(user: str, password: str, given: Sequence[Data]) -> Command:
    made = {"createUser": user, "pwd": password, "roles": given, "mechanisms": [MECHANISM]}
    return Command("admin", made)


def administrators() -> list[Command]:
    """Commands that make the administrator's login, or give it its password again."""
    login = active_login(administrator())
    assert login
    forgotten = Command("admin", {"dropUser": login[0]}, optional=True)
    return [forgotten, _made(*login, [{"role": "root", "db": "admin"}])]


def files(request: Data) -> list[str]:
    """Files that the server reads when it starts."""
    return [*request["files"], *([request["bundle"]] if request["certificate"] else [])]


def _bundle(request: Data) -> str:
    """Key and certificate in one text; empty without a certificate."""
    wanted = request["certificate"]
    return "".join(read(wanted[name]) for name in ("key", "file")) if wanted else ""


def read(path: str) -> str:
    """The text of a file; empty if there is none."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def write(path: str, text: str) -> None:
    """Replaces a file that only root can write and the server can read."""
    staged = f"{path}.{secrets.token_hex(4)}"
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        os.fchown(file.fileno(), 0, grp.getgrnam(GROUP).gr_gid)
        os.fchmod(file.fileno(), 0o640)
    os.replace(staged, path)


def differences(request: Data) -> list[str]:
    """A line for each difference."""
    lines = certificate_differences(request["certificate"])
    if not lines and request["certificate"] and read(request["bundle"]) != _bundle(request):
        lines.append("the server's file has another certificate")
    lines += [
        f"no password of {account['account']}"
        for account in request["accounts"]
        if not logins(account["store"], account["account"])
    ]
    problems = unit_differences(UNIT, files(request))
    if f"{UNIT} does not run" in problems:
        return lines + problems
    try:
        there = users(request)
    except RefusedError as error:
        return [*lines, *problems, f"the administrator cannot log in: {error}"]
    return lines + problems + [line for line, _ in changes(request["accounts"], there)]


def converge(request: Data) -> None:
    """Makes the changes."""
    if certificate_differences(request["certificate"]):
        make_certificate(request["certificate"])
    if request["certificate"] and read(request["bundle"]) != _bundle(request):
        write(request["bundle"], _bundle(request))
    fresh = active_login(administrator()) is None
    make_logins(administrator(), ADMINISTRATOR)
    if fresh:
        _make_administrator(request)
    for account in request["accounts"]:
        make_logins(account["store"], account["account"])
        note(account["store"], DATABASE, account["database"])
    if unit_differences(UNIT, files(request)):
        bring_up(UNIT, lambda: listens(request["socket"]))
    if not answers(request):
        _make_administrator(request)
        bring_up(UNIT, lambda: listens(request["socket"]))
    commands = [item for _, item in changes(request["accounts"], users(request))]
    if commands:
        command(request, *commands)


def _make_administrator(request: Data) -> None:
    """Makes the administrator's login, while nobody reaches the server."""
    run("systemctl", "stop", UNIT)
    in_private(request["setup"], request["port"], request["data"], administrators())


def belongings(request: Data, app: str) -> list[str]:
    """Databases and logins of an application. A database that another application uses is none of
    them."""
    there = users(request)
    names = {item["name"] for item in _listed(request)}
    databases = [item for item in _databases(request, app) if item in names]
    existing = [item for item in users_of(SERVICE, app) if item in there]
    return [*(f"database {item}" for item in databases), *(f"login {item}" for item in existing)]


def discard(request: Data, app: str) -> None:
    """Drops the databases and logins of an application."""
    commands = [Command("admin", {"dropUser": item}, optional=True)
                for item in users_of(SERVICE, app)]  # fmt: skip
    commands += [Command(item, {"dropDatabase": 1}) for item in _databases(request, app)]
    if commands:
        command(request, *commands)
    for store in of_application(SERVICE, app):
        forget(store)


def _databases(request: Data, app: str) -> list[str]:
    return databases_of(SERVICE, app, (item["database"] for item in request["accounts"]))


def _listed(request: Data) -> list[Data]:
    [told] = command(request, Command("admin", {"listDatabases": 1}))
    databases: list[Data] = told["databases"]
    return databases


def open_to_anybody(request: Data) -> bool:
    """Whether the server lists its users to a client without a login."""
    try:
        ask(request["socket"], None, [Command("admin", {"usersInfo": 1})])
    except RefusedError:
        return False
    return True


def mongodb(request: Data) -> Server:
    """What the checks and the status need to know."""
    lines = differences(request)
    status, listed = command(
        request, Command("admin", {"serverStatus": 1}), Command("admin", {"listDatabases": 1})
    )
    bound = {account["database"] for account in request["accounts"]}
    sizes = {item["name"]: int(item.get("sizeOnDisk", 0)) for item in listed["databases"]
             if item["name"] not in OWN}  # fmt: skip
    cache = status.get("wiredTiger", {}).get("cache", {})
    memory = run("systemctl", "show", "--property=MemoryCurrent", "--value", UNIT).stdout.strip()
    return {
        "differences": lines,
        "open": open_to_anybody(request),
        "version": status["version"],
        # Without this one.
        "used": max(0, int(status["connections"]["current"]) - 1),
        "cache": cache.get("bytes currently in the cache"),
        "cache_allowed": cache.get("maximum bytes configured"),
        "memory": int(memory) if memory.isdigit() else None,
        "databases": {**dict.fromkeys(bound, 0), **sizes},
        "unbound": sorted({*sizes} - bound),
        "rotating": sorted(
            account["account"] for account in request["accounts"] if rotating(account["store"])
        ),
    }
