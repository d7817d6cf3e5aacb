"""Replaces databases of a live MariaDB by those of a scratch server.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from groundcrew.remote.backup_source import SourceError, make_folder
from groundcrew.remote.commands import TIED, last_line
from groundcrew.roles.mariadb.on_host import SOCKET, client, name, pattern, quoted
from groundcrew.roles.mariadb.on_host_scratch import CLIENT, ENVIRONMENT

Data = dict[str, Any]
BEFORE = "/var/lib/groundcrew/backups/before"
"""What restores have replaced, by their mark. Only root can read it."""

DUMP = ["/usr/bin/mariadb-dump", "--no-defaults", "--single-transaction", "--quick", "--routines",
        "--triggers", "--events", "--hex-blob", "--max-allowed-packet=1G"]  # fmt: skip
DEFINERS = """
SELECT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = {0}
UNION SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {0}
UNION SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {0}
UNION SELECT DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {0};
"""
SCHEMA = """
SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA
WHERE SCHEMA_NAME = {};
"""


def databases(request: Data, app: str) -> list[str]:
    """The databases of an application."""
    return sorted({item["database"] for item in request["accounts"] if item["app"] == app})


def kept(mark: str, database: str) -> str:
    """File with what a database had before a restore."""
    return os.path.join(BEFORE, mark, "mariadb", f"{database}.sql")


def replace_databases(request: Data, app: str, scratch_socket: str, mark: str) -> list[str]:
    """Replaces the application's databases. Returns a line for each."""
    lines = []
    wanted = databases(request, app)
    schemas = {database: _schema(database, scratch_socket) for database in wanted}
    missing = [database for database in wanted if not schemas[database]]
    if missing:
        raise SourceError(f"the copies have no database {', '.join(missing)}")
    for database in wanted:
        path = kept(mark, database)
        _keep(database, path)
        _replace(database, schemas[database], scratch_socket)
        lines.append(f"MariaDB: database {database}; what it had is in {path}")
    return lines


def forget_kept(request: Data, app: str, mark: str) -> None:
    """Removes what the application's databases had before a restore."""
    for database in databases(request, app):
        for path in (kept(mark, database), f"{kept(mark, database)}.new"):
            with suppress(FileNotFoundError):
                os.unlink(path)
    folder = os.path.join(BEFORE, mark, "mariadb")
    for path in (folder, os.path.dirname(folder)):
        with suppress(OSError):
            os.rmdir(path)


def _schema(database: str, socket: str) -> list[str]:
    """Character set and collation of a database; empty if there is none."""
    names = client(SCHEMA.format(quoted(database)), socket).split()
    if not all(item.isidentifier() for item in names):
        raise SourceError(f"{database} has an unknown character set")
    return names


def _keep(database: str, path: str) -> None:
    """Stores what the live database has, unless it is stored already."""
    if os.path.exists(path):
        return
    make_folder(BEFORE)
    make_folder(os.path.dirname(os.path.dirname(path)))
    make_folder(os.path.dirname(path))
    with open(os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        if _schema(database, SOCKET):
            with _definers(database, SOCKET, SOCKET):
                dump(database, SOCKET, file)
        else:
            file.write(b"-- There was no such database.\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.new", path)


def dump(database: str, socket: str, output: IO[bytes]) -> None:
    """Writes a database as statements. Raises SourceError."""
    result = subprocess.run(
        [*TIED, *DUMP, f"--socket={socket}", database], check=False, stdin=subprocess.DEVNULL,
        stdout=output, stderr=subprocess.PIPE, cwd="/", env=ENVIRONMENT,
    )  # fmt: skip
    if result.returncode != 0:
        raise SourceError(f"{database}: {last_line(result.stderr.decode(errors='replace'))}")


def _replace(database: str, schema: Sequence[str], scratch_socket: str) -> None:
    charset, collation = schema
    here = _definers(database, scratch_socket, SOCKET)
    with _definers(database, scratch_socket, scratch_socket), here:
        client(
            f"SET SESSION lock_wait_timeout = 60;\nDROP DATABASE IF EXISTS {name(database)};\n"
            f"CREATE DATABASE {name(database)} CHARACTER SET {charset} COLLATE {collation};\n"
        )
        _pour(database, scratch_socket)


def _pour(database: str, scratch_socket: str) -> None:
    """Fills the empty live database from the scratch server."""
    with tempfile.TemporaryFile() as complaints:
        taker = subprocess.Popen(
            [*TIED, *CLIENT, f"--socket={SOCKET}", database], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=complaints, cwd="/", env=ENVIRONMENT,
        )  # fmt: skip
        assert taker.stdin
        failure = None
        try:
            dump(database, scratch_socket, taker.stdin)
        except SourceError as error:
            failure = error
        taker.stdin.close()
        status = taker.wait()
        complaints.seek(0)
        told = last_line(complaints.read().decode(errors="replace"))
    if status != 0:
        raise SourceError(f"{database}: {told}")
    if failure:
        raise failure


@contextmanager
def _definers(database: str, source: str, target: str) -> Iterator[None]:
    """Creates the users whose views and routines a database has, where they are missing: without
    them, views can be neither read nor created. They cannot log in, and are dropped at the end."""
    text = client(DEFINERS.format(quoted(database)), source)
    owners = {tuple(line.rpartition("@")[::2]) for line in text.splitlines() if "@" in line}
    there = client("SELECT CONCAT(User, '@', Host) FROM mysql.global_priv;", target).splitlines()
    missing = [f"{quoted(user)}@{quoted(host)}" for user, host in sorted(owners)
               if host and f"{user}@{host}" not in there]  # fmt: skip
    made = [
        f"CREATE USER {who} IDENTIFIED VIA mysql_native_password USING 'invalid' ACCOUNT LOCK;\n"
        f"GRANT ALL PRIVILEGES ON {name(pattern(database))}.* TO {who};\n"
        for who in missing
    ]
    if made:
        client("".join(made), target)
    try:
        yield
    finally:
        if missing:
            client("".join(f"DROP USER IF EXISTS {who};\n" for who in missing), target)
