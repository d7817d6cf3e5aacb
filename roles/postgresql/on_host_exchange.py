"""Replaces databases by those of a scratch server.

Runs on the host as root, as part of this role's other programs. Standard library and
`groundcrew.remote` only, Python 3.9 or later.

What an application has stored may contain functions that run while it is restored, such as those of
constraints. Therefore not the administrator restores it, but a role that has no rights except those
of the database's owner. Extensions are made by the administrator.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import re
import secrets
import subprocess
import time
from collections.abc import Iterable, Mapping
from typing import Any

from groundcrew.remote.backup_source import Scratch, SourceError, make_folder
from groundcrew.roles.postgresql.on_host import server, verifier
from groundcrew.roles.postgresql.on_host_commands import as_postgres
from groundcrew.roles.postgresql.on_host_scratch import reach
from groundcrew.roles.postgresql.on_host_server import (
    QUIET,
    ServerError,
    literal,
    live,
    name,
    psql,
)

Data = dict[str, Any]
RESTORER = "groundcrew_restore"
"""Role that restores databases."""
LONGEST = 63
"""Bytes in a name."""
ATTEMPTS = 5
SHAPE = """
SELECT json_build_object('encoding', pg_encoding_to_char(encoding), 'collate', datcollate,
  'ctype', datctype, 'settings', (SELECT coalesce(json_agg(json_build_array(
      CASE WHEN s.setrole = 0 THEN NULL ELSE pg_get_userbyid(s.setrole) END, c)), '[]')
    FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setdatabase = d.oid))
FROM pg_database d WHERE datname = {name}
"""
GRANTS = """
SELECT coalesce(json_agg(json_build_array(a.privilege_type, pg_get_userbyid(a.grantee))), '[]')
FROM pg_database d, aclexplode(d.datacl) a
WHERE datname = {name} AND a.grantee NOT IN (0, d.datdba)
"""
EXTENSIONS = """
SELECT coalesce(json_agg(json_build_array(extname, nspname) ORDER BY e.oid), '[]')
FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname <> 'plpgsql'
"""
OF_EXTENSIONS = """
SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname)), '[]')
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE d.deptype = 'e' AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
"""
SET = """
SELECT pg_catalog.set_config({text}, {value}, false);
ALTER {whose} SET {key} FROM CURRENT;
"""
DISCONNECT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {column} IN ({names})
AND pid <> pg_backend_pid()
"""
MADE = re.compile(r"\d+; \d+ \d+ (EXTENSION - |COMMENT - EXTENSION |ACL - SCHEMA public )")
DATA_OF = re.compile(r"\d+; \d+ \d+ (TABLE DATA|SEQUENCE SET|ACL) ")
SCHEMA = re.compile(r"\d+; \d+ \d+ SCHEMA - (\S+) ")


def kept_name(database: str, word: str, mark: str) -> str:
    """A name beside that of a database, which is shortened if the result were too long."""
    end = f"__{word}_{mark}"
    if len(database) + len(end) > LONGEST:
        digest = hashlib.sha256(database.encode()).hexdigest()[:8]
        database = f"{database[: LONGEST - len(end) - 9]}_{digest}"
    return database + end


def put_back(request: Data, app: str, scratch: Scratch, mark: str) -> list[str]:
    """See `groundcrew/remote/backup_source.py`. All databases are replaced in one transaction."""
    wanted = _databases(request, app)
    databases = server()["databases"]
    kept = {item: kept_name(item, "before", mark) for item in wanted}
    left = [item for item in wanted if kept[item] not in databases]
    if left:
        there = server(reach(request, scratch))["databases"]
        lost = [item for item in left if item not in there]
        if lost:
            raise SourceError(f"the copies do not contain the database {', '.join(lost)}")
        absent = [item for item in left if item not in databases]
        if absent:
            raise SourceError(f"the server has no database {', '.join(absent)}: run deploy.py")
        for item in left:
            _build(request, item, kept_name(item, "new", mark), scratch)
        _swap({item: (kept_name(item, "new", mark), kept[item]) for item in left})
    return [f"database {item}; the one before is {kept[item]}" for item in wanted]


def forget(request: Data, app: str, mark: str) -> None:
    """See `groundcrew/remote/backup_source.py`."""
    for database in _databases(request, app):
        for word in ("before", "new"):
            kept = name(kept_name(database, word, mark))
            psql(f"DROP DATABASE IF EXISTS {kept} WITH (FORCE)")


def _databases(request: Data, app: str) -> list[str]:
    return sorted({item["database"] for item in request["accounts"] if item["app"] == app})


def _build(request: Data, database: str, new: str, scratch: Scratch) -> None:
    """Makes a database with the content of one of the scratch server."""
    from_there = reach(request, scratch)
    shape: Data = json.loads(psql(SHAPE.format(name=literal(database)), server=from_there))
    psql(f"DROP DATABASE IF EXISTS {name(new)} WITH (FORCE)")
    psql(
        f"CREATE DATABASE {name(new)} OWNER {name(database)} TEMPLATE template0 "
        f"ENCODING {literal(shape['encoding'])} LC_COLLATE {literal(shape['collate'])} "
        f"LC_CTYPE {literal(shape['ctype'])}",
        timeout=600,
    )
    psql(f"REVOKE ALL ON DATABASE {name(new)} FROM PUBLIC")
    for right, role in json.loads(psql(GRANTS.format(name=literal(database)))):
        psql(f"GRANT {right} ON DATABASE {name(new)} TO {name(role)}")
    extensions = json.loads(psql(EXTENSIONS, database, from_there))
    for extension, schema in extensions:
        if not schema.startswith("pg_"):
            psql(f"CREATE SCHEMA IF NOT EXISTS {name(schema)} AUTHORIZATION {name(database)}", new)
        psql(f"CREATE EXTENSION {name(extension)} SCHEMA {name(schema)}", new)
    owner = pwd.getpwnam("postgres")
    folder = make_folder(f"{scratch.folder}/dump", 0o700, (owner.pw_uid, owner.pw_gid))
    dump, contents = os.path.join(folder, "dump"), os.path.join(folder, "contents")
    as_postgres("pg_dump", "--format=custom", f"--file={dump}", database, more=from_there)
    listed = as_postgres("pg_restore", "--list", dump)
    theirs, rest = of_extensions(listed, json.loads(psql(OF_EXTENSIONS, database, from_there)))
    if theirs:
        # Rows of tables that belong to the administrator, in a database with nothing else yet.
        as_postgres("tee", "--", contents, text=theirs)
        as_postgres("pg_restore", "--exit-on-error", f"--use-list={contents}", f"--dbname={new}",
                    dump, more=live())  # fmt: skip
    as_postgres(
        "tee", "--", contents, text=without_made(rest, [schema for _, schema in extensions])
    )
    _restore(database, new, (dump, contents))
    as_postgres("rm", "-f", "--", dump, contents)
    roles = server()["roles"]
    for role, setting in shape["settings"]:
        if role is None or role in roles:
            _set(new, role, setting)


def without_made(listed: str, schemas: Iterable[str]) -> str:
    """The contents of a dump without what the administrator makes: extensions and their schemas."""
    made = {"public", *schemas}
    kept = []
    for line in listed.splitlines(keepends=True):
        schema = SCHEMA.match(line)
        if not MADE.match(line) and not (schema and schema.group(1) in made):
            kept.append(line)
    return "".join(kept)


def of_extensions(listed: str, tables: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The contents of a dump that are rows and access rights of extensions' tables and values of
    their sequences, and the other contents."""
    kinds = ("", "TABLE ", "SEQUENCE ")
    names = tuple(f"{schema} {kind}{table} " for schema, table in tables for kind in kinds)
    theirs: list[str] = []
    rest: list[str] = []
    for line in listed.splitlines(keepends=True):
        data = DATA_OF.match(line)
        mine = data is not None and line[data.end() :].startswith(names)
        (theirs if mine else rest).append(line)
    return "".join(theirs), "".join(rest)


def _restore(owner: str, new: str, files: tuple[str, str]) -> None:
    password = secrets.token_urlsafe(30)
    role = name(RESTORER)
    told = literal(verifier(password, secrets.token_bytes(16)))
    roles = server()["roles"]
    if RESTORER not in roles:
        psql(f"CREATE ROLE {role} NOLOGIN")
    for other in roles.get(RESTORER, {"of": []})["of"]:
        # Left by a restore that was interrupted.
        psql(f"REVOKE {name(other)} FROM {role}")
    psql(f"GRANT {name(owner)} TO {role}; ALTER ROLE {role} LOGIN PASSWORD {told};")
    environment = {**live(), "PGUSER": RESTORER, "PGPASSWORD": password}
    try:
        as_postgres(
            "pg_restore", "--exit-on-error", "--no-owner", f"--role={owner}", "--no-password",
            f"--use-list={files[1]}", f"--dbname={new}", files[0], more=environment,
        )  # fmt: skip
    finally:
        psql(
            f"ALTER ROLE {role} NOLOGIN PASSWORD NULL; REVOKE {name(owner)} FROM {role};"
            + DISCONNECT.format(column="usename", names=literal(RESTORER))
        )


def _set(database: str, role: str | None, setting: str) -> None:
    """Sets what a database sets for its sessions, or for those of a role."""
    key, _, value = setting.partition("=")
    if re.fullmatch(r"[a-zA-Z_][\w.]*", key):
        whose = f"DATABASE {name(database)}"
        if role:
            whose = f"ROLE {name(role)} IN {whose}"
        psql(SET.format(whose=whose, key=key, text=literal(key), value=literal(value)))


def _swap(names: Mapping[str, tuple[str, str]]) -> None:
    """Renames databases to their second name, and those of the first name to theirs. A database
    that is being renamed lets nobody in; whoever is in it is disconnected."""
    statements = "".join(
        f"ALTER DATABASE {name(item)} RENAME TO {name(kept)};\n"
        f"ALTER DATABASE {name(new)} RENAME TO {name(item)};\n"
        for item, (new, kept) in names.items()
    )
    for attempt in range(ATTEMPTS):
        swap = _session(f"BEGIN;\n{statements}COMMIT;\n")
        while swap.poll() is None:
            _disconnect([*names, *(new for new, _ in names.values())])
            time.sleep(0.2)
        assert swap.stderr
        told = swap.stderr.read()
        if swap.returncode == 0:
            return
        if "being accessed by other users" not in told or attempt + 1 == ATTEMPTS:
            raise ServerError(f"the databases cannot be renamed: {' '.join(told.split())}")


def _session(statements: str) -> subprocess.Popen[str]:
    session = subprocess.Popen(
        [
            "/usr/sbin/runuser", "-u", "postgres", "--", "psql", "--no-psqlrc", "--quiet",
            "--set=ON_ERROR_STOP=1", "--dbname=postgres",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **live()},
    )  # fmt: skip
    assert session.stdin
    session.stdin.write(QUIET + statements)
    session.stdin.close()
    return session


def _disconnect(databases: list[str]) -> None:
    names = ", ".join(literal(item) for item in databases)
    psql(DISCONNECT.format(column="datname", names=names))
