"""The copies of PostgreSQL's data: what they contain, up to when, and how it is put back."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from groundcrew import remote
from groundcrew.roles.postgresql import builders
from groundcrew.roles.postgresql.brings import BACKUP
from tests.e2e.drills import COPIES, adopt, backed_up, drilled, state, store_by_hand
from tests.e2e.harness import LabHost, converged, good, inside, pyinfra

APP, DATABASE = "hello", "hello_database"
DATA = {
    "apps": [APP],
    f"app.{APP}.needs": {"database": "postgresql"},
    f"app.{APP}.release.check_window": 0,
    "backup.targets": {"elsewhere": {"type": "directory", "path": "/var/backups"}},
    "prepare": "yes",
    # It takes transaction numbers, and some of these tests count them.
    "postgresql.parameters": {"autovacuum": "off"},
}
STORE = f"/var/lib/groundcrew/credentials/postgresql/{APP}.database"
REQUEST = {
    "port": 5432,
    "configuration": builders.CONFIGURATION,
    "hba": builders.HBA,
    "accounts": [
        {
            "account": DATABASE,
            "database": DATABASE,
            "store": STORE,
            "extensions": [],
            "app": APP,
            "connections": None,
        }
    ],
    "replicas": [],
    "adopt": False,
    "certificate": None,
    "backup": builders.BACKUP,
    "preload": builders.PRELOADED,
}
VERSIONS = {"bookworm": "15", "trixie": "17"}
FOLDER = "/var/lib/groundcrew/backups/scratch"
SCRATCH = f'source.Scratch("{FOLDER}", "scratch-test", "/run/netns/scratch-test", "system.slice")'
START = (
    "import importlib, json\n"
    f"module = importlib.import_module({BACKUP!r})\n"
    "source = importlib.import_module('groundcrew.remote.backup_source')\n"
    f"request = json.loads({json.dumps(REQUEST)!r})\n"
    f"scratch = {SCRATCH}\n"
)


def call(host: LabHost, expression: str, fails: str = "") -> Any:
    """What an expression with functions of the module gives on the host, or a failure with that
    text."""
    code = f"{START}print(json.dumps({expression}))"
    wanted = {"module": "builtins", "function": "exec", "request": code}
    inside(host, "cat > /root/call.py", remote.source("call", BACKUP))
    status = "; echo $?" if fails else ""
    told = inside(host, f"python3 -I /root/call.py 2>&1{status}", json.dumps(wanted), timeout=600)
    if fails:
        assert fails in told, told
        return None
    return json.loads(told.splitlines()[0])


def sql(host: LabHost, statement: str, database: str = DATABASE, scratch: bool = False) -> str:
    """The output of SQL on the live or the scratch server."""
    where = f"--host={FOLDER}/run" if scratch else "--host=/run/postgresql"
    command = f"runuser -u postgres -- psql -X {where} -tA -v ON_ERROR_STOP=1 -d {database}"
    return inside(host, f"cd / && {command}", statement).strip()


def as_application(host: LabHost, statement: str, start: str = "") -> None:
    """Runs SQL with the application's login."""
    login = f'PGPASSWORD="$(cat {STORE}/active/password)" PGUSER="$(cat {STORE}/active/user)"'
    command = f"psql -X -h 127.0.0.1 -d {DATABASE} -v ON_ERROR_STOP=1"
    inside(host, f"cd / && {login} {start} {command}", statement)


def add(host: LabHost, *numbers: int) -> None:
    values = ", ".join(f"({number})" for number in numbers)
    sql(host, f"SET ROLE {DATABASE}; INSERT INTO items VALUES {values}")


def items(host: LabHost, scratch: bool = False) -> set[int]:
    return {int(line) for line in sql(host, "SELECT id FROM items", scratch=scratch).splitlines()}


def copy(host: LabHost, name: str) -> str:
    """A directory with the copies as they are now, as a restore from a target leaves them."""
    folder = f"/root/restored-{name}"
    inside(
        host,
        f"mkdir -p -m 700 {folder} && tar -C / -cf - var/lib/groundcrew/backups/copies/postgresql "
        f"| tar -C {folder} -xpf -",
    )
    return folder


SUITES = VERSIONS if os.environ.get("GROUNDCREW_FULL") else ["bookworm"]


@pytest.fixture(scope="module", params=SUITES)
def host(request: pytest.FixtureRequest) -> Iterator[LabHost]:
    name = f"backup-postgresql-{request.param}"
    with converged(name, request.param, DATA, group="web,postgresql") as host:
        inside(
            host,
            "ip netns add scratch-test && ip -n scratch-test link set lo up && "
            f"mkdir -p -m 755 {FOLDER}",
        )
        sql(
            host,
            f"SET ROLE {DATABASE};\n"
            "CREATE FUNCTION is_good(bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN "
            "PERFORM set_config('role', 'none', false); "
            "IF current_setting('is_superuser') = 'on' THEN RAISE 'as a superuser'; END IF; "
            f"PERFORM set_config('role', '{DATABASE}', false); "
            "RETURN true; END $$;\n"
            f"RESET ROLE; CREATE EXTENSION pg_trgm; SET ROLE {DATABASE};\n"
            "CREATE TABLE items (id bigint PRIMARY KEY);\n"
            "COMMENT ON TABLE items IS 'things';",
        )
        yield host


def test_the_second_run_changes_nothing(host: LabHost) -> None:
    run = good(pyinfra(host.name, data=DATA))
    assert run.changed == []
    unit = f"postgresql@{VERSIONS[host.suite]}-main.service"
    verdict = inside(host, f"systemd-analyze security --no-pager {unit} | tail -n 1")
    assert float(verdict.split(":")[1].split()[0]) <= 1.5, verdict


def test_copies_open_at_any_time_and_are_put_back(host: LabHost) -> None:
    saved = call(host, "module.save(request, 'logs')")
    assert saved[0] == ["/var/lib/groundcrew/backups/copies/postgresql"]
    assert saved[1] == pytest.approx(time.time(), abs=60)
    add(host, 1, 2)
    first = call(host, "module.save(request, 'logs')")[1]
    at = float(inside(host, "date +%s.%N"))
    add(host, 3)
    call(host, "module.save(request, 'daily')")
    add(host, 4)
    marked = call(host, "module.save(request, 'logs')")[1]
    listing = "find /var/lib/groundcrew/backups/copies/postgresql/archive -type f | wc -l"
    count = inside(host, listing)
    # Nothing has been committed since: no WAL is archived for it.
    idle = call(host, "module.save(request, 'logs')")[1]
    assert idle > marked
    assert inside(host, listing) == count
    folder = copy(host, "all")

    opened = call(host, f"module.open_scratch(request, '{folder}', scratch, {at})")
    assert opened[0] == {"/run/postgresql": f"{FOLDER}/run"}
    assert first - 1 <= opened[1] <= at
    assert opened[2].startswith(f"{VERSIONS[host.suite]}.")
    assert items(host, scratch=True) == {1, 2}
    # The applications' logins work, over TCP in the namespace too.
    as_application(host, "SELECT 1", "ip netns exec scratch-test")
    assert idle > marked
    call(host, f"module.open_scratch(request, '{folder}', scratch, {(idle + marked) / 2})")
    assert items(host, scratch=True) == {1, 2, 3, 4}
    late = f"module.open_scratch(request, '{folder}', scratch, {idle + 60})"
    call(host, late, fails="the copies end at")
    early = f"module.open_scratch(request, '{folder}', scratch, {saved[1] - 3600})"
    call(host, early, fails="the copies begin at")

    opened = call(host, f"module.open_scratch(request, '{folder}', scratch, None)")
    assert items(host, scratch=True) == {1, 2, 3, 4}
    put_back(host)
    assert good(pyinfra(host.name, data=DATA)).changed == []
    call(host, f"module.forget(request, '{APP}', 'm1')")
    assert not sql(host, "SELECT datname FROM pg_database WHERE datname ~ '__'")
    call(host, "module.close_scratch(request, scratch)")
    call(host, "module.close_scratch(request, scratch)")
    assert not inside(host, f"ls {FOLDER}")


def put_back(host: LabHost) -> None:
    """Puts back what was deleted, twice."""
    sql(host, "DELETE FROM items WHERE id < 4")
    # An earlier attempt was interrupted, and somebody is connected.
    sql(host, f"CREATE DATABASE {DATABASE}__new_m1", "postgres")
    sql(host, f"CREATE ROLE dba; GRANT CONNECT ON DATABASE {DATABASE} TO dba")
    sleeping = f"runuser -u postgres -- psql -d {DATABASE} -c 'SELECT pg_sleep(600)'"
    inside(host, f"cd / && ({sleeping} >/dev/null 2>&1 &) && sleep 1")
    told = call(host, f"module.put_back(request, '{APP}', scratch, 'm1')")
    assert told == [f"database {DATABASE}; the one before is {DATABASE}__before_m1"]
    assert items(host) == {1, 2, 3, 4}
    assert sql(host, "SELECT id FROM items", f"{DATABASE}__before_m1") == "4"
    assert sql(host, "SELECT obj_description('items'::regclass)") == "things"
    assert sql(host, f"SELECT has_database_privilege('dba', '{DATABASE}', 'CONNECT')") == "t"
    # Called again, it changes nothing more.
    add(host, 5)
    assert call(host, f"module.put_back(request, '{APP}', scratch, 'm1')") == told
    assert items(host) == {1, 2, 3, 4, 5}


EXTENSION = """\
CREATE TABLE places (name text PRIMARY KEY);
INSERT INTO places VALUES ('its own');
SELECT pg_catalog.pg_extension_config_dump('places', $$WHERE name <> 'its own'$$);
"""


def test_what_belongs_to_an_extension_or_a_role_is_put_back(host: LabHost) -> None:
    folder = f"/usr/share/postgresql/{VERSIONS[host.suite]}/extension"
    inside(host, f"echo \"default_version = '1'\" > {folder}/places.control; "
                 f"cat > {folder}/places--1.sql", EXTENSION)  # fmt: skip
    login = inside(host, f"cat {STORE}/active/user").strip()
    sql(host, f"CREATE EXTENSION places; GRANT ALL ON places TO {DATABASE}")
    as_application(host, "INSERT INTO places VALUES ('added')")
    sql(host, f"ALTER ROLE {login} IN DATABASE {DATABASE} SET work_mem = '5MB'")
    sql(host, f"ALTER DATABASE {DATABASE} SET work_mem = '6MB'")
    call(host, "module.save(request, 'logs')")
    folder = copy(host, "extension")
    call(host, f"module.open_scratch(request, '{folder}', scratch, None)")
    sql(host, "DELETE FROM places")
    call(host, f"module.put_back(request, '{APP}', scratch, 'm3')")
    assert sql(host, "SELECT name FROM places ORDER BY name").split("\n") == ["added", "its own"]
    as_application(host, "DO $$ BEGIN ASSERT current_setting('work_mem') = '5MB'; END $$")
    as_application(host, "INSERT INTO places VALUES ('later')")
    assert sql(host, "SHOW work_mem") == "6MB"
    call(host, f"module.forget(request, '{APP}', 'm3')")
    sql(host, f"DROP EXTENSION places; ALTER DATABASE {DATABASE} RESET ALL")
    call(host, "module.close_scratch(request, scratch)")


def test_what_the_application_has_stored_gets_no_rights(host: LabHost) -> None:
    as_application(host, "ALTER TABLE items ADD CONSTRAINT good CHECK (is_good(id))")
    call(host, "module.save(request, 'logs')")
    folder = copy(host, "check")
    call(host, f"module.open_scratch(request, '{folder}', scratch, None)")
    # A restore of something else was interrupted.
    sql(host, "CREATE ROLE other; GRANT other TO groundcrew_restore")
    call(host, f"module.put_back(request, '{APP}', scratch, 'm2')")
    assert items(host)
    assert sql(host, "SELECT pg_has_role('groundcrew_restore', 'other', 'MEMBER')") == "f"
    call(host, f"module.forget(request, '{APP}', 'm2')")
    sql(host, "ALTER TABLE items DROP CONSTRAINT good")


def test_a_gap_is_an_error(host: LabHost) -> None:
    for number in (11, 12, 13):
        add(host, number)
        call(host, "module.save(request, 'logs')")
    folder = copy(host, "gap")
    archive = f"{folder}/var/lib/groundcrew/backups/copies/postgresql/archive/main"
    files = inside(host, f"find {archive} -name '*.zst' | sort").splitlines()
    inside(host, f"rm {files[-2]}")
    opening = f"module.open_scratch(request, '{folder}', scratch, None)"
    call(host, opening, fails="are missing")
    # A damaged one is found by recovery itself.
    inside(host, f"head -c 3000 {files[-1]} > {files[-2]}")
    call(host, opening, fails="is damaged")
    pieces = inside(host, f"find {folder} -path '*/bundle/*' -type f | sort").splitlines()
    inside(host, f"dd if=/dev/urandom of={pieces[0]} bs=100 seek=50 count=5 conv=notrunc")
    call(host, opening, fails="cannot be restored")
    live = files[-2].replace(folder, "")
    inside(host, f"mv {live} {live}.away")
    call(host, "module.save(request, 'logs')", fails="are missing")
    inside(host, f"mv {live}.away {live}")
    call(host, "module.save(request, 'logs')")
    call(host, "module.close_scratch(request, scratch)")


@pytest.fixture(scope="module")
def stored(host: LabHost) -> LabHost:
    """The host with a backup at the target, of which a drill finds nothing to complain about."""
    add(host, 31)
    assert backed_up(host, "full") == (0, "")
    assert problems(host) == []
    return host


def problems(host: LabHost) -> list[str]:
    """What a drill says about the server. No application has been released here."""
    return [text for text in drilled(host, "elsewhere")[1] if not text.startswith(APP)]


def store(host: LabHost) -> tuple[str, str]:
    """Stores the copies as they are now, past the program."""
    call(host, "module.save(request, 'logs')")
    return store_by_hand(host, f"/var/backups/{host.name}", "postgresql", f"{COPIES}/postgresql")


def test_a_drill_notices_a_gap_in_the_wal(stored: LabHost) -> None:
    for number in (41, 42):
        add(stored, number)
        assert backed_up(stored, "logs") == (0, "")
    archive = f"{COPIES}/postgresql/archive/main"
    files = inside(stored, f"find {archive} -name '*.zst' | sort").splitlines()
    inside(stored, f"mv {files[-2]} /root/segment")
    try:
        # Everything at the target is whole; what is stored next would not be.
        [told] = problems(stored)
        assert "1 WAL segments between" in told
        made = store_by_hand(
            stored, f"/var/backups/{stored.name}", "postgresql", f"{COPIES}/postgresql"
        )
        adopt(stored, "postgresql", "elsewhere", made)
    finally:
        inside(stored, f"mv /root/segment {files[-2]}")
    [told] = problems(stored)
    assert "1 WAL segments between" in told
    assert backed_up(stored, "logs") == (0, "")
    assert problems(stored) == []


def test_a_drill_notices_the_backup_of_another_database(stored: LabHost) -> None:
    away = f"ALTER DATABASE {DATABASE} RENAME TO away"
    other = f"CREATE DATABASE {DATABASE} OWNER {DATABASE}"
    sql(stored, f"{away}; ", "postgres")
    sql(stored, other, "postgres")
    sql(stored, "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)")
    try:
        made = store(stored)
    finally:
        sql(stored, f"DROP DATABASE {DATABASE}", "postgres")
        sql(stored, f"ALTER DATABASE away RENAME TO {DATABASE}", "postgres")
    [told] = problems(stored)
    assert "is not the last one that this host has stored" in told
    adopt(stored, "postgresql", "elsewhere", made)
    lacks = f"postgresql: the database {DATABASE} lacks 1 of 1 tables: public.items"
    assert problems(stored) == [lacks]
    assert backed_up(stored, "logs") == (0, "")
    assert problems(stored) == []


def test_a_drill_notices_an_empty_dump(stored: LabHost) -> None:
    sql(stored, "TRUNCATE items")
    try:
        adopt(stored, "postgresql", "elsewhere", store(stored))
    finally:
        add(stored, 51)
    [told] = problems(stored)
    assert "has no row in any table, and had some when it was copied" in told
    # A table that is dropped after the backup is not missed.
    sql(stored, "CREATE TABLE dropped ()")
    assert backed_up(stored, "logs") == (0, "")
    sql(stored, "DROP TABLE dropped")
    adopt(stored, "postgresql", "elsewhere", store(stored))
    assert problems(stored) == []
    assert backed_up(stored, "logs") == (0, "")
    assert problems(stored) == []


def test_a_server_that_is_down_keeps_nothing_else_from_being_stored(stored: LabHost) -> None:
    before = state(stored)["sets"][f"app:{APP}"]["elsewhere"]["until"]
    inside(stored, "systemctl stop 'postgresql@*'")
    try:
        status, errors = backed_up(stored)
    finally:
        inside(stored, f"systemctl start postgresql@{VERSIONS[stored.suite]}-main")
    assert status == 1
    assert "postgresql: " in errors
    assert "Traceback" not in errors
    assert state(stored)["sets"][f"app:{APP}"]["elsewhere"]["until"] > before


def test_a_release_is_backed_up_before_its_hooks(stored: LabHost) -> None:
    wanted = {item: value for item, value in DATA.items() if item != "prepare"}
    wanted |= {
        f"app.{APP}.release.backup_before_hooks": "true",
        f"app.{APP}.hooks.release": ['psql "$DATABASE_URL" -c "DELETE FROM items"'],
    }
    add(stored, 61)
    before = items(stored)
    release = "playbooks/release.py"
    # A target that is not there: nothing is released, and no hook runs.
    inside(stored, "mv /var/backups /var/backups.away")
    try:
        failed = pyinfra(stored.name, data=wanted, playbook=release)
    finally:
        inside(stored, "mv /var/backups.away /var/backups")
    assert failed.status != 0
    assert f"{APP} is not released: it cannot be backed up on {stored.name} first" in failed.stderr
    assert items(stored) == before
    done = good(pyinfra(stored.name, data=wanted, playbook=release))
    assert items(stored) == set()
    [moment] = re.findall(r'--data at="([^"]+)" --data restore', done.stderr)
    again = good(pyinfra(stored.name, data=wanted, playbook=release))
    assert (again.changed, "is backed up" in again.stderr) == ([], False)
    asked = {**wanted, "app": APP, "restore": APP, "at": moment}
    good(pyinfra(stored.name, data=asked, playbook="playbooks/restore.py"))
    assert items(stored) == before
