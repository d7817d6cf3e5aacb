"""What an application leaves in its database does nothing with the administrator's rights."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from groundcrew.roles.postgresql import on_host, on_host_content, on_host_server

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
pytestmark = pytest.mark.skipif(
    not PROGRAMS or os.geteuid() != 0, reason="needs PostgreSQL's programs, and root"
)
PORT = "5999"
REQUEST: dict[str, Any] = {"accounts": [{"database": "shop", "extensions": ["hstore"]}]}


def as_postgres(*command: str) -> None:
    subprocess.run(
        ["runuser", "-u", "postgres", "--", *command], check=True, capture_output=True, cwd="/"
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    # Not below pytest's own directory, which is closed to other users.
    with tempfile.TemporaryDirectory() as place:
        yield from started(Path(place))


def started(folder: Path) -> Iterator[dict[str, str]]:
    os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    programs, data = PROGRAMS[-1].parent, folder / "data"
    as_postgres(
        str(PROGRAMS[-1]), "-D", str(data), "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
        "--no-sync",
    )  # fmt: skip
    options = f"-c listen_addresses= -k {folder} -p {PORT} -c fsync=off -c shared_buffers=16MB"
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
    as_postgres(*control, "-o", options, "-l", str(folder / "log"), "start")
    try:
        yield {"PGHOST": str(folder), "PGPORT": PORT}
    finally:
        as_postgres(*control, "-m", "immediate", "stop")


@pytest.fixture
def shop(cluster: dict[str, str]) -> Iterator[dict[str, str]]:
    """A server with the database of an application, as the role makes it."""
    on_host_server.psql("CREATE ROLE shop LOGIN", server=cluster)
    on_host_server.psql("CREATE DATABASE shop OWNER shop TEMPLATE template0", server=cluster)
    try:
        yield cluster
    finally:
        on_host_server.psql("DROP DATABASE shop WITH (FORCE)", server=cluster)
        on_host_server.psql("DROP ROLE shop", server=cluster)


def theirs(server: dict[str, str], statements: str) -> None:
    """What the application does, with its own login."""
    subprocess.run(
        ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "shop", "shop"],
        input=statements, check=True, text=True, capture_output=True, env={**os.environ, **server},
    )  # fmt: skip


def is_superuser(server: dict[str, str]) -> bool:
    told = on_host_server.psql(
        "SELECT rolsuper FROM pg_roles WHERE rolname = 'shop'", server=server
    )
    return told == "t"


TAKE = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.take() RETURNS name LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
    ALTER ROLE shop SUPERUSER;
  END IF;
  RETURN 'hstore';
END $$;
"""


def test_names_that_a_database_puts_before_the_servers_own_do_not_count(
    shop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs(
        shop,
        f"{TAKE} CREATE VIEW evil.pg_extension AS SELECT evil.take() AS extname;"
        "ALTER DATABASE shop SET search_path = evil, pg_catalog;",
    )
    monkeypatch.setattr(on_host_server, "live", lambda: shop)
    on_host._extensions(REQUEST, {"databases": {"shop": {}}})
    assert not is_superuser(shop)


@contextmanager
def meanwhile(server: dict[str, str], statements: str) -> Iterator[None]:
    """An application that does something over and over."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            theirs(server, statements * 50)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_view_that_takes_the_place_of_a_table_is_not_read(shop: dict[str, str]) -> None:
    theirs(
        shop,
        f"{TAKE} CREATE TABLE public.a ();"
        "CREATE VIEW evil.v AS SELECT 1 WHERE evil.take() IS NOT NULL;"
        "ALTER VIEW evil.v SET SCHEMA public;",
    )
    flip = (
        "BEGIN; ALTER TABLE public.a RENAME TO b; ALTER VIEW public.v RENAME TO a; COMMIT;"
        "BEGIN; ALTER VIEW public.a RENAME TO v; ALTER TABLE public.b RENAME TO a; COMMIT;"
    )
    with meanwhile(shop, flip):
        for _ in range(10):
            on_host_content.content_of(REQUEST, shop)
    assert not is_superuser(shop)


def test_a_locked_table_keeps_nobody_from_backups(shop: dict[str, str]) -> None:
    theirs(shop, "CREATE TABLE public.a (id int); INSERT INTO public.a VALUES (1)")
    with subprocess.Popen(
        ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "shop", "shop"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **shop},
    ) as session:  # fmt: skip
        assert session.stdin
        assert session.stdout
        session.stdin.write("BEGIN; LOCK TABLE public.a; SELECT 'locked';\n")
        session.stdin.flush()
        assert session.stdout.readline() == "locked\n"
        content = on_host_content.content_of(REQUEST, shop)["databases"]["shop"]
    assert content == {"owner": "shop", "tables": ["public.a"], "rows": True}


def test_what_a_database_says_of_its_sessions_does_not_reach_the_administrator(
    shop: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs(
        shop,
        'CREATE TABLE public."x\'\u4f60\u200b""; DROP ROLE shop; --" ();'
        "CREATE SCHEMA postgres;"
        "ALTER DATABASE shop SET client_encoding = 'GBK';"
        "ALTER DATABASE shop SET role = shop;"
        "ALTER DATABASE shop SET statement_timeout = 1;"
        "ALTER DATABASE shop SET default_transaction_read_only = on;",
    )
    monkeypatch.setattr(on_host_server, "live", lambda: shop)
    content = on_host_content.content_of(REQUEST)["databases"]["shop"]
    assert content["tables"] == ["public.x'\u4f60\u200b\"; DROP ROLE shop; --"]
    assert on_host_server.psql("SELECT current_user", "shop", shop) == "postgres"
    [(_, database, statement)] = [
        item for item in on_host._extensions(REQUEST, on_host.server(shop)) if item[1] == "shop"
    ]
    on_host_server.psql(statement, database, shop)
    where = "SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'hstore'"
    assert on_host_server.psql(where, "shop", shop) == "public"


def test_a_database_that_cannot_be_read_keeps_no_other_from_backups(shop: dict[str, str]) -> None:
    on_host_server.psql("ALTER DATABASE shop ALLOW_CONNECTIONS false", server=shop)
    content = on_host_content.content_of(REQUEST, shop)["databases"]
    assert content == {"shop": {"owner": "shop", "tables": [], "rows": False}}


@pytest.mark.parametrize(
    ("statements", "rows"),
    [
        ("", False),
        ("CREATE TABLE public.a (id int)", False),
        ("CREATE TABLE public.a (id int); INSERT INTO public.a VALUES (1)", True),
        (
            "CREATE TABLE public.a (id int) PARTITION BY LIST (id);"
            "CREATE TABLE public.b PARTITION OF public.a DEFAULT; INSERT INTO public.a VALUES (1)",
            True,
        ),
        (
            "CREATE TABLE public.a (id int); INSERT INTO public.a VALUES (1); TRUNCATE public.a",
            False,
        ),
        # No backup has rows of those.
        ("CREATE UNLOGGED TABLE public.a (id int); INSERT INTO public.a VALUES (1)", False),
    ],
)
def test_whether_a_database_has_rows(shop: dict[str, str], statements: str, rows: bool) -> None:
    theirs(shop, statements)
    assert on_host_content.content_of(REQUEST, shop)["databases"]["shop"]["rows"] is rows
