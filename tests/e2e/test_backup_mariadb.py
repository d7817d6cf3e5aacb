"""What MariaDB and Redis give to backups, how it is opened beside them, and what is put back."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.backup_source import RESTORED, FailedError, Source, prepare, sources
from tests.e2e.drills import adopt, backed_up, drilled, store_by_hand
from tests.e2e.harness import LabHost, converged, good, inside, pyinfra

DATA = {
    "apps": ["notes"],
    "backup": {"targets": {"lab": {"type": "directory", "path": "/var/backups"}}},
    "run": {"prepare": True},
    "app": {
        "notes": {
            "release": {"check_window": 0, "drain": 0},
            "needs": {
                "database": {"service": "mariadb", "scheme": "mysql+pymysql", "connect": "tcp"},
                "cache": {"service": "redis.cache", "connect": "tcp"},
                "jobs": {"service": "redis.queue", "connect": "tcp"},
            },
        }
    },
}
OPTIONS = {
    "apps": DATA["apps"],
    "backup.targets": {"lab": {"type": "directory", "path": "/var/backups"}},
    "prepare": "yes",
    **{f"app.notes.{key}": value for key, value in DATA["app"]["notes"].items()},  # type: ignore[index]
}
COPIES = "var/lib/groundcrew/backups/copies/mariadb"
BEFORE = "/var/lib/groundcrew/backups/before"
TABLES = """
DROP TABLE IF EXISTS things;
CREATE TABLE things (id INT PRIMARY KEY, content LONGBLOB) ENGINE=InnoDB;
CREATE TABLE counted (number INT NOT NULL DEFAULT 0);
INSERT INTO counted VALUES (0);
CREATE TRIGGER count_things AFTER INSERT ON things
  FOR EACH ROW UPDATE counted SET number = number + 1;
CREATE USER 'gone'@'nowhere' ACCOUNT LOCK;
GRANT ALL ON notes_database.* TO 'gone'@'nowhere';
CREATE DEFINER = 'gone'@'nowhere' VIEW seen AS SELECT id FROM things;
CREATE DEFINER = 'gone'@'nowhere' VIEW seen_again AS SELECT id FROM seen;
DROP USER 'gone'@'nowhere';
CREATE PROCEDURE nothing() SELECT 1;
INSERT INTO things VALUES (1, x'00ff0d0a5c2127');
"""


@dataclass
class Lab:
    """A host with both servers."""

    host: LabHost
    mariadb: Source
    redis: Source
    moment: float = 0

    def sql(self, statements: str, scratch: bool = False) -> str:
        folder = self.mariadb.scratch()["folder"] if scratch else ""
        socket = f"--socket={folder}/run/mysqld.sock" if scratch else ""
        command = f"mariadb --no-defaults -N {socket} notes_database"
        return inside(self.host, command, statements).strip()

    def numbers(self, scratch: bool = False) -> list[int]:
        return [int(item) for item in self.sql("SELECT id FROM things;", scratch).split()]

    def cli(self, *words: str) -> str:
        store = "/var/lib/groundcrew/credentials/redis-admin/queue/active/password"
        return inside(self.host, f'REDISCLI_AUTH="$(cat {store})" redis-cli --user groundcrew_a '
                      f"-s /run/redis-queue/server.sock {' '.join(words)}").strip()  # fmt: skip


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with converged("backup-mariadb", "bookworm", OPTIONS, "web,mariadb,redis") as host:
        prepare(host)
        sources_by_role = sources(host, DATA)
        assert {item.apps for item in sources_by_role.values()} == {("notes",)}
        lab = Lab(
            host, Source(host, sources_by_role["mariadb"]), Source(host, sources_by_role["redis"])
        )
        yield lab


def test_a_second_run_changes_nothing_and_the_units_are_restricted(lab: Lab) -> None:
    assert good(pyinfra(lab.host.name, data=OPTIONS)).changed == []
    told = inside(lab.host, "systemd-analyze security --no-pager mariadb redis-server@queue")
    figures = [float(item) for item in re.findall(r"exposure level for \S+ ([0-9.]+)", told)]
    assert len(figures) == 2
    assert max(figures) <= 1.5


def test_the_copies_of_mariadb_go_on_where_they_ended(lab: Lab) -> None:
    # Without a full copy, it is made first.
    paths, _ = lab.mariadb.save("logs")
    assert len(paths) == 2
    lab.sql(TABLES)
    lab.mariadb.save("logs")
    lab.sql("INSERT INTO things VALUES (2, 'two');")
    time.sleep(1.5)
    lab.moment = float(inside(lab.host, "date +%s.%N"))
    time.sleep(1.5)
    lab.sql("INSERT INTO things VALUES (3, 'three');")
    _, until = lab.mariadb.save("logs")
    assert until > lab.moment
    lab.sql("INSERT INTO things VALUES (4, 'four');")
    lab.mariadb.save("logs")
    logs = inside(lab.host, f"ls /{COPIES}/binlogs")
    # Nothing has been written since.
    lab.mariadb.save("logs")
    assert inside(lab.host, f"ls /{COPIES}/binlogs") == logs
    assert inside(lab.host, f"stat -c %a:%U /{COPIES}").strip() == "700:root"
    lab.mariadb.restore()


def test_a_scratch_server_has_what_there_was_at_a_time(lab: Lab) -> None:
    told = lab.mariadb.open(lab.moment)
    assert told["until"] <= lab.moment
    assert told["binds"] == {"/run/mysqld": f"{lab.mariadb.scratch()['folder']}/run"}
    assert lab.numbers(scratch=True) == [1, 2]
    told = lab.mariadb.open()
    assert told["until"] > lab.moment
    assert lab.numbers(scratch=True) == [1, 2, 3, 4]
    assert lab.sql("SELECT number FROM counted;", scratch=True) == "4"
    # The current login of the application works there, and the live server is not reached.
    store = "/var/lib/groundcrew/credentials/mariadb/notes.database/active"
    query = "SELECT COUNT(*) FROM things"
    login = f'mariadb --no-defaults -u "$(cat {store}/user)" -h 127.0.0.1 notes_database -Ne'
    command = f'MYSQL_PWD="$(cat {store}/password)" nsenter --net=/run/netns/scratch {login}'
    assert inside(lab.host, f"{command} '{query}'").strip() == "4"
    lab.mariadb.close()
    lab.mariadb.close()
    assert inside(lab.host, f"ls {lab.mariadb.scratch()['folder']}") == ""


def test_copies_that_are_not_whole_are_refused(lab: Lab) -> None:
    folder = f"{RESTORED}/{COPIES}"
    logs = inside(lab.host, f"ls {folder}/binlogs | grep -v json").split()
    assert len(logs) >= 3
    middle, last = f"{folder}/binlogs/{logs[1]}", f"{folder}/binlogs/{logs[-1]}"
    for damage, reason in (
        (f"rm {middle}", "binary logs are missing"),
        (f"rm {last}", "binary logs are missing"),
        (f"truncate -s -40 {last}", r"bytes"),
        (f"rm {folder}/binlogs/index.json", "binary logs|end before"),
        (f"truncate -s 0 {folder}/full-*/ibdata1", "ibdata1 has 0 of"),
        (f"rm {folder}/full-*/groundcrew.json", "is not whole"),
        (f"rm -r {folder}/full-*", "no full copy"),
    ):
        lab.mariadb.restore()
        inside(lab.host, damage)
        with pytest.raises(FailedError, match=reason):
            lab.mariadb.open(lab.moment if "json" in damage and "binlogs" in damage else None)
    lab.mariadb.restore()
    with pytest.raises(FailedError, match="no full copy of that time"):
        lab.mariadb.open(lab.moment - 3600)
    with pytest.raises(FailedError, match="end before"):
        lab.mariadb.open(lab.moment + 3600)
    # What is damaged inside is told too.
    inside(lab.host, f"printf XXXX | dd of={last} bs=1 seek=300 conv=notrunc")
    with pytest.raises(FailedError):
        lab.mariadb.open()
    lab.mariadb.restore()


def test_an_applications_database_is_put_back(lab: Lab) -> None:
    lab.mariadb.open()
    lab.sql("DELETE FROM things WHERE id > 1;")
    [line] = lab.mariadb.put_back("notes", "first")
    path = f"{BEFORE}/first/mariadb/notes_database.sql"
    assert path in line
    assert lab.numbers() == [1, 2, 3, 4]
    assert lab.sql("SELECT HEX(content) FROM things WHERE id = 1;") == "00FF0D0A5C2127"
    assert lab.sql("SHOW TRIGGERS;").startswith("count_things")
    assert "gone" in lab.sql("SHOW CREATE VIEW seen_again;")
    assert "gone" not in lab.sql("SELECT User FROM mysql.global_priv;")
    # Interrupted, it continues with what it kept at first.
    kept = inside(lab.host, f"cat {path}")
    assert kept.rstrip().splitlines()[-1].startswith("-- Dump completed")
    lab.sql("DROP TABLE things;")
    lab.mariadb.put_back("notes", "first")
    assert lab.numbers() == [1, 2, 3, 4]
    assert inside(lab.host, f"cat {path}") == kept
    # A view that reads one whose definer is gone cannot be created again by hand.
    inside(lab.host, f"mariadb --no-defaults --force notes_database < {path} || true")
    assert lab.numbers() == [1]
    lab.mariadb.forget("notes", "first")
    assert inside(lab.host, f"ls {BEFORE}") == ""
    # The application still has its login.
    lab.mariadb.put_back("notes", "second")
    lab.mariadb.forget("notes", "second")
    lab.mariadb.close()


def test_a_new_full_copy_replaces_the_one_before_at_the_next_time(lab: Lab) -> None:
    paths, until = lab.mariadb.save("daily")
    assert len(paths) == 3
    lab.mariadb.restore()
    # The times between both copies can still be reached.
    lab.mariadb.open(lab.moment)
    assert lab.numbers(scratch=True) == [1, 2]
    lab.sql("INSERT INTO things VALUES (9, 'nine');")
    paths, later = lab.mariadb.save("logs")
    assert (len(paths), later > until) == (2, True)
    lab.mariadb.restore()
    lab.mariadb.open()
    assert 9 in lab.numbers(scratch=True)
    lab.mariadb.close()


def test_a_server_that_was_killed_goes_on_with_its_logs(lab: Lab) -> None:
    lab.sql("INSERT INTO things VALUES (10, 'ten');")
    lab.host.out("systemctl kill --signal=KILL mariadb && sleep 3")
    inside(lab.host, "for i in $(seq 60); do mariadb -e 'select 1' && break; sleep 0.5; done")
    lab.sql("INSERT INTO things VALUES (11, 'eleven');")
    lab.mariadb.save("logs")
    lab.mariadb.restore()
    lab.mariadb.open()
    assert {10, 11} <= set(lab.numbers(scratch=True))
    lab.mariadb.close()


def test_a_gap_in_the_logs_is_told(lab: Lab) -> None:
    lab.sql("INSERT INTO things VALUES (12, 'twelve'); FLUSH BINARY LOGS; FLUSH BINARY LOGS;")
    last = lab.sql("SHOW MASTER STATUS;").split()[0]
    deadline = time.monotonic() + 30
    # The server keeps a log until what it has is in the tables for certain.
    while len(lab.sql(f"PURGE BINARY LOGS TO '{last}'; SHOW BINARY LOGS;").splitlines()) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    with pytest.raises(FailedError, match="full copy helps"):
        lab.mariadb.save("logs")
    assert len(lab.mariadb.save("daily")[0]) == 2
    lab.mariadb.save("logs")
    inside(lab.host, f"rm /{COPIES}/full-*/groundcrew.json")
    with pytest.raises(FailedError, match="is not whole"):
        lab.mariadb.save("logs")
    assert len(lab.mariadb.save("daily")[0]) == 2


def test_links_of_the_servers_user_lead_nowhere(lab: Lab) -> None:
    planted = "/var/lib/mysql/notes_database/planted.ibd"
    inside(lab.host, "umask 077 && echo of root $((6 * 7)) > /root/secret && "
           f"runuser -u mysql -- ln -s /root/secret {planted}")  # fmt: skip
    try:
        # It may fail, but it must not read the file.
        lab.mariadb.save("full")
    except FailedError:
        pass
    finally:
        inside(lab.host, f"rm {planted}")
    files = inside(lab.host, f"grep -rl 'of root 42' /{COPIES} || true; find /{COPIES} -type l")
    assert files == ""
    lab.mariadb.save("full")


def test_the_keys_of_a_queue_are_put_back(lab: Lab) -> None:
    # The application's workers would take what is in the queue.
    lab.host.out("systemctl stop 'notes*'")
    lab.cli("-n 3 RPUSH jobs one two")
    lab.cli("-n 3 SET short x EX 5000")
    inside(lab.host, "printf 'a\\0\\r\\nb' > /tmp/value")
    lab.cli("-x SET binary < /tmp/value")
    before = lab.cli("DUMP binary | sha1sum")
    paths, until = lab.redis.save("logs")
    assert paths == ["/var/lib/groundcrew/backups/copies/redis/queue"]
    lab.redis.restore()
    lab.cli("-n 3 DEL short jobs")
    lab.cli("SET binary other")
    lab.cli("SET later x")
    told = lab.redis.open()
    assert told["until"] == until
    folder = lab.redis.scratch()["folder"]
    assert told["binds"] == {"/run/redis-queue": f"{folder}/queue/run"}
    lab.redis.put_back("notes", "first")
    lab.cli("-n 3 DEL jobs")
    lab.redis.put_back("notes", "first")
    assert lab.cli("-n 3 LRANGE jobs 0 -1").split() == ["one", "two"]
    assert 4000 < int(lab.cli("-n 3 TTL short")) <= 5000
    assert lab.cli("DUMP binary | sha1sum") == before
    assert lab.cli("EXISTS later") == "0"
    # What was kept can be brought back.
    path = f"{BEFORE}/first/redis/queue-notes_jobs.resp"
    assert inside(lab.host, f"stat -c %a {path}").strip() == "600"
    assert "errors: 0" in lab.cli(f"--pipe < {path}")
    assert lab.cli("GET binary") == "other"
    lab.redis.forget("notes", "first")
    assert inside(lab.host, f"ls {BEFORE}") == ""
    lab.redis.close()
    lab.redis.close()
    assert inside(lab.host, f"ls {folder}") == ""
    inside(lab.host, f"truncate -s 20 {RESTORED}{paths[0]}/dump.rdb")
    with pytest.raises(FailedError, match="20 of"):
        lab.redis.open()


def test_a_restore_that_is_killed_writes_no_more_and_goes_on(lab: Lab) -> None:
    lab.sql("CREATE TABLE many AS SELECT seq, REPEAT('x', 200) AS x FROM seq_1_to_200000;")
    lab.mariadb.save("logs")
    lab.mariadb.restore()
    lab.mariadb.open()
    lab.sql("DROP TABLE many;")
    lab.mariadb.start("put_back", "notes", lab.mariadb.scratch(), "killed")
    # It is there again when the live database is being filled. Until that has ended, it is locked.
    there = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'notes_database'"
    inside(
        lab.host,
        f'i=0; until mariadb --no-defaults -Ne "{there}" | grep -q many; '
        "do i=$((i+1)); [ $i -lt 900 ] || exit 1; sleep 0.02; done; "
        "pkill -9 -f driver[.]py; sleep 0.5",
    )
    assert inside(lab.host, "pgrep -a mariadb-dump || true") == ""
    assert lab.sql("SELECT COUNT(*) FROM many;") != "200000"
    lab.mariadb.put_back("notes", "killed")
    assert lab.sql("SELECT COUNT(*) FROM many;") == "200000"
    lab.mariadb.forget("notes", "killed")
    lab.mariadb.close()
    lab.sql("DROP TABLE many;")


def problems(host: LabHost) -> list[str]:
    """What a drill says about the servers. No application has been released here."""
    return [text for text in drilled(host, "lab")[1] if not text.startswith("notes")]


@pytest.fixture(scope="module")
def stored(lab: Lab) -> Lab:
    """Both servers with a backup at the target that a drill finds nothing wrong with."""
    lab.sql("CREATE TABLE extra (id INT); INSERT INTO extra VALUES (1);")
    lab.cli("SET lasting x")
    assert backed_up(lab.host, "full") == (0, "")
    assert problems(lab.host) == []
    return lab


def test_a_drill_notices_the_backup_of_another_database(stored: Lab) -> None:
    stored.sql("DROP TABLE extra; CREATE TABLE other (id INT);")
    stored.mariadb.save("logs")
    stored.sql("CREATE TABLE extra (id INT); DROP TABLE other;")
    made = store_by_hand(stored.host, f"/var/backups/{stored.host.name}", "mariadb", f"/{COPIES}")
    [told] = problems(stored.host)
    assert "is not the last one that this host has stored" in told
    adopt(stored.host, "mariadb", "lab", made)
    [told] = problems(stored.host)
    assert told.startswith("mariadb: the database notes_database lacks 1 of ")
    assert told.endswith("tables: extra")


def test_a_drill_notices_an_empty_dump(stored: Lab) -> None:
    stored.cli("FLUSHALL")
    stored.redis.save("logs")
    stored.cli("SET lasting x")
    folder = "/var/lib/groundcrew/backups/copies/redis"
    repository = f"/var/backups/{stored.host.name}"
    adopt(stored.host, "redis", "lab", store_by_hand(stored.host, repository, "redis",
                                                     f"{folder}/queue"))  # fmt: skip
    assert "redis: queue has no keys, and had some when it was copied" in problems(stored.host)
    assert backed_up(stored.host, "logs") == (0, "")
    assert problems(stored.host) == []


def test_a_drill_notices_a_gap_in_the_logs(stored: Lab) -> None:
    for number in (21, 22):
        stored.sql(f"INSERT INTO extra VALUES ({number});")
        assert backed_up(stored.host, "logs") == (0, "")
    logs = inside(stored.host, f"ls -d /{COPIES}/binlogs/*.0*").split()
    inside(stored.host, f"mv {logs[-2]} /root/log")
    try:
        [told] = problems(stored.host)
    finally:
        inside(stored.host, f"mv /root/log {logs[-2]}")
    assert "mariadb: binary logs are missing" in told
    assert problems(stored.host) == []
