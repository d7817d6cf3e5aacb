"""Asks a server of MongoDB, by a program that uses Debian's PyMongo.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from groundcrew.remote.backup_source import SourceError
from groundcrew.remote.commands import last_line

Data = dict[str, Any]
Login = Optional[tuple[str, str]]  # noqa: UP045 - Python 3.9
SECONDS = 300
PYTHON = ["/usr/bin/python3", "-I", "-c"]

# It is a program of its own because the modules of a run see no packages of the host. It reads the
# request from standard input, so that no argument has a password. With "server", it starts one and
# stops it at the end.
PROGRAM = r"""
import json, subprocess, sys, time
from urllib.parse import quote
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

WRONG_LOGIN, UNAUTHORIZED = 18, 13
asked = json.load(sys.stdin)


def connect():
    login = asked["login"]
    options = {} if login is None else {
        "username": login[0], "password": login[1], "authSource": "admin",
        "authMechanism": "SCRAM-SHA-256",
    }
    address = "mongodb://" + quote(asked["address"], safe=":[]")
    return MongoClient(address, appname="groundcrew", directConnection=True,
                       serverSelectionTimeoutMS=asked["wait"], socketTimeoutMS=280000, **options)


def started(server):
    deadline = time.monotonic() + 120
    while True:
        try:
            return connect().admin.command("ping")
        except ConnectionFailure:
            if server.poll() is not None or time.monotonic() > deadline:
                raise


def answer():
    client, replies = connect(), []
    for item in asked["commands"]:
        try:
            replies.append(client[item["db"]].command(item["command"]))
        except OperationFailure as error:
            if error.code == WRONG_LOGIN or not item["optional"]:
                raise
            replies.append(None)
    return replies


def told():
    try:
        if asked["server"] is None:
            return {"replies": answer()}
        server = subprocess.Popen(asked["server"], stdin=subprocess.DEVNULL, stdout=sys.stderr)
        try:
            started(server)
            return {"replies": answer()}
        finally:
            server.terminate()
            server.wait(120)
    except OperationFailure as error:
        refused = error.code in (WRONG_LOGIN, UNAUTHORIZED)
        return {"error": str(error).partition(", full error")[0], "refused": refused}
    except PyMongoError as error:
        return {"error": str(error).partition(" (configured")[0].partition(", Timeout")[0],
                "refused": False}


print(json.dumps(told(), default=str))
"""


class ServerError(SourceError):
    """The server cannot be reached or refuses a command; the message says why. For a backup, it is
    the reason why it failed."""


class RefusedError(ServerError):
    """The server does not accept the login, or what it may do."""


class Command(NamedTuple):
    """A command of the server."""

    db: str
    command: Data
    optional: bool = False
    """Whether it may fail."""


def ask(
    address: str, login: Login, commands: Sequence[Command], seconds: float = 5
) -> list[dict[str, Any]]:
    """What a server answers, at a Unix socket or `HOST:PORT`. Raises ServerError."""
    asked = request(address, login, commands, seconds=seconds)
    done = subprocess.run(
        [*PYTHON, PROGRAM], input=asked, check=False, capture_output=True, text=True,
        timeout=SECONDS, cwd="/", env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    return replies(done)


def request(
    address: str,
    login: Login,
    commands: Sequence[Command],
    server: Sequence[str] | None = None,
    seconds: float = 5,
) -> str:
    """The text that the program reads."""
    return json.dumps(
        {
            "address": address,
            "login": login,
            "server": server,
            "wait": round(1000 * seconds),
            "commands": [item._asdict() for item in commands],
        }
    )


def replies(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The answers in the program's output. Raises ServerError."""
    try:
        told = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise ServerError(last_line(done.stderr) or "no answer") from None
    if "error" in told:
        kind = RefusedError if told["refused"] else ServerError
        raise kind(told["error"])
    answers: list[dict[str, Any]] = told["replies"]
    return answers
