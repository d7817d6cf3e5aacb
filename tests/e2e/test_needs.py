"""Databases, caches and queues that hosts of an inventory provide to applications.

One host has PostgreSQL and Redis for its own application, over sockets. Another has MariaDB and
Redis for its own application, over TCP, and for the same application on a third host, over TLS.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.documented.pages import commands
from tests.e2e.harness import PYINFRA, ROOT, LabHost, Run, good, inside, pyinfra, until

ALL = "web,postgresql,mariadb,redis"
MARIADB = {
    "database": {"service": "mariadb", "scheme": "mysql+pymysql", "connect": "tcp"},
    "cache": {"service": "redis.cache", "connect": "tcp"},
    "jobs": {"service": "redis.queue", "connect": "tcp"},
}
INVENTORY = """\
import json, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from groundcrew.lab import inventory as _lab
_more = json.loads(Path({data!r}).read_text())
for _group, _hosts in _lab.running().items():
    globals()[_group] = [(_n, {{**_d, **_more[_n]}}) for _n, _d in _hosts if _n in _more]
"""
CONFIGURED = (
    "import os",
    'SECRET_KEY = os.environ["SECRET_KEY"]',
    'SQLALCHEMY_DATABASE_URI = os.environ["DATABASE_URL"]',
    "SESSION_COOKIE_SECURE = False",
)
PYMYSQL = (
    "import pymysql",
    'pymysql.version_info = (2, 2, 7, "final", 0)',
    "pymysql.install_as_MySQLdb()",
)
"""Django knows mysqlclient alone, whose place PyMySQL takes."""


def published(host: str, service: str, scheme: str) -> dict[str, Any]:
    """Two applications that nobody here wrote, with a database in place of their files."""

    def lines(texts: Sequence[str], path: str) -> str:
        return f"printf '%s\\n' {' '.join(shlex.quote(item) for item in texts)} > {path}"

    need = {"service": service, "connect": "tcp"}
    django = [
        "bugsink-create-conf --template=docker",
        *([f"{lines(PYMYSQL, 'driver')} && cat driver bugsink_conf.py > new && mv new "
           "bugsink_conf.py"] if service == "mariadb" else []),
        "printf '%s\\n' 'STATIC_ROOT = \"staticfiles\"' "
        "'DATABASES[\"snappea\"][\"NAME\"] = \"data/snappea.sqlite3\"' >> bugsink_conf.py",
        "bugsink-manage collectstatic --noinput",
    ]  # fmt: skip
    settings = {
        "ihatemoney": {
            "needs": {"database": {**need, "scheme": scheme}},
            "hooks": {"build": [lines(CONFIGURED, "ihatemoney.cfg")]},
            "release": {"check_window": 0, "drain": 0},
        },
        "bugsink": {
            "needs": {"database": need},
            "env": {"DATABASE_PATH": None},
            "hooks": {"build": django},
            "release": {"check_window": 0, "drain": 0},
        },
    }
    return {app: settings[app] for app in PUBLISHED[host]}


FULL = bool(os.environ.get("GROUNDCREW_FULL"))
PUBLISHED = {
    # Django has tables in PostgreSQL in the tests of the examples too.
    "own": ["ihatemoney", "bugsink"] if FULL else ["ihatemoney"],
    "provider": ["ihatemoney", "bugsink"],
}
"""Those that each of two hosts has."""

STORE = "/var/lib/groundcrew/credentials"


@dataclass
class Lab:
    """The three hosts, and an inventory with data of their own."""

    own: LabHost
    """PostgreSQL and Redis for itself."""

    provider: LabHost
    """MariaDB and Redis for itself and for `far`."""

    far: LabHost
    folder: Path
    first: Run | None = None
    data: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def hosts(self) -> list[LabHost]:
        return [self.own, self.provider, self.far]

    def inventory(self, **changed: dict[str, Any]) -> Path:
        """The inventory; `changed` is host data by host name, with `_` for `-`."""
        far = {need: {**item, "host": self.provider.name} for need, item in MARIADB.items()}
        # Nobody asks while most of these releases replace one another.
        quick = {"release": {"check_window": 0, "drain": 0}}
        data: dict[str, dict[str, Any]] = {
            self.own.name: {
                "apps": ["notes", *PUBLISHED["own"]],
                "app": {"notes": quick, **published("own", "postgresql", "postgresql")},
            },
            self.provider.name: {
                "apps": ["notes", *PUBLISHED["provider"]],
                "app": {
                    "notes": {**quick, "needs": MARIADB},
                    **published("provider", "mariadb", "mysql+pymysql"),
                },
            },
            self.far.name: {"apps": ["notes"], "app": {"notes": {**quick, "needs": far}}},
        }
        for name, values in changed.items():
            data[name.replace("_", "-")].update(values)
        (self.folder / "data.json").write_text(json.dumps(data))
        path = self.folder / "inventory.py"
        path.write_text(INVENTORY.format(root=str(ROOT), data=str(self.folder / "data.json")))
        return path

    def run(self, *options: str, playbook: str = "deploy.py", limit: str = "", **more: Any) -> Run:
        names = limit or ",".join(host.name for host in self.hosts)
        inventory = more.pop("inventory", None) or self.inventory()
        return pyinfra(names, *options, playbook=playbook, inventory=inventory, **more)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(
        LabHost("needs-own", "bookworm", group=ALL),
        LabHost("needs-provider", "trixie", group=ALL),
        LabHost("needs-far", "bookworm", group="web"),
        tmp_path_factory.mktemp("needs"),
    )
    LabHost.together(lab.hosts, LabHost.up)
    lab.first = lab.run()
    yield lab
    if not os.environ.get("GROUNDCREW_KEEP"):
        LabHost.together(lab.hosts, LabHost.down)


def ask(host: LabHost, path: str = "/notes", data: str | None = None) -> dict[str, Any]:
    headers = {"Host": "notes.test"}
    url = f"http://{host.address}{path}"
    answer = (
        requests.get(url, headers=headers, timeout=10)
        if data is None
        else requests.post(url, data=data, headers=headers, timeout=10)
    )
    assert answer.status_code == 200, (host.name, path, answer.status_code, answer.text[:200])
    body: dict[str, Any] = answer.json()
    return body


@dataclass
class Writes:
    """Notes that were written in the background: their ids, and what failed."""

    stored: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Writer:
    """Writes notes to a host until it is told to stop, with new connections and kept ones."""

    def __init__(self, host: LabHost, pause: float = 0.04) -> None:
        self.host, self.pause, self.writes = host, pause, Writes()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(4)]

    def work(self) -> None:
        session = requests.Session()
        url, headers = f"http://{self.host.address}/notes", {"Host": "notes.test"}
        while not self.stop.is_set():
            try:
                answer = session.post(url, data="a note", headers=headers, timeout=20)
                if answer.status_code == 200:
                    self.writes.stored.append(answer.json()["id"])
                else:
                    self.writes.failures.append(f"{self.host.name}: {answer.status_code}")
            except requests.RequestException as error:
                self.writes.failures.append(f"{self.host.name}: {error}")
            time.sleep(self.pause)

    def __enter__(self) -> Writes:
        for thread in self.threads:
            thread.start()
        return self.writes

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(30)


def rows(host: LabHost) -> tuple[int, int]:
    """Number of the notes, and sum of their ids."""
    told = ask(host)
    return told["number"], told["total"]


def healthy(host: LabHost) -> bool:
    try:
        return bool(ask(host, "/health"))
    except (requests.RequestException, AssertionError):
        return False


def variables(host: LabHost, app: str = "notes") -> dict[str, str]:
    lines = host.out(f"cat /srv/{app}/current/env").splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def passwords(host: LabHost) -> list[str]:
    return host.out(f"cat {STORE}/*/*/*/password").replace("\n", "").strip() and re.findall(
        r"[A-Za-z0-9]{40}", host.out(f"for f in {STORE}/*/*/[ab]/password; do cat $f; echo; done")
    )


def connects(host: LabHost, address: str, port: int) -> bool:
    program = f"import socket; socket.create_connection(('{address}', {port}), 3)"
    return bool(host.shell.run(f'python3 -c "{program}"').rc == 0)


def as_notes(host: LabHost, program: str) -> Any:
    """What comes of a Python program that the application's user runs in its virtualenv."""
    return host.shell.run(
        f"runuser -u notes -- env -C / timeout 20 /srv/notes/current/venv/bin/python -c '{program}'"
    )


def test_the_first_run_provides_everything(lab: Lab) -> None:
    assert lab.first
    assert lab.first.status == 0, lab.first.stderr
    for host in lab.hosts:
        first = ask(host)["number"]
        ask(host, data="a note")
        assert ask(host)["number"] == first + 1
        done = ask(host)["done"]
        ask(host, "/jobs", data="a job")
        until(lambda host=host, done=done: ask(host)["done"] > done, 60)  # type: ignore[misc]
    # The two hosts share one database.
    assert rows(lab.provider) == rows(lab.far) != rows(lab.own)


def test_the_second_run_changes_nothing(lab: Lab) -> None:
    assert good(lab.run()).changed == []
    assert good(lab.run("--dry")).planned == []


def test_what_the_application_is_told(lab: Lab) -> None:
    own, far = variables(lab.own), variables(lab.far)
    assert re.fullmatch(
        r"postgresql\+psycopg://notes_database_a:\w{40}@/notes_database\?host=/run/postgresql",
        own["DATABASE_URL"],
    )
    assert own["CACHE_URL"].startswith("unix://notes_cache_a:")
    assert variables(lab.provider)["DATABASE_URL"].split("@")[1].startswith("127.0.0.1:3306/")
    assert f"@{lab.provider.address}:3306/notes_database" in far["DATABASE_URL"]
    assert "ssl_ca=/etc/groundcrew/authorities/" in far["DATABASE_URL"]
    assert far["JOBS_URL"].startswith("rediss://notes_jobs_a:")
    assert lab.far.out(f"stat -c %a:%U {STORE}") == "700:root"


@pytest.mark.parametrize("name", ["own", "provider"])
def test_published_applications_migrate_and_store(lab: Lab, name: str) -> None:
    host: LabHost = getattr(lab, name)
    project = {
        "name": "Holidays", "id": f"holidays-{time.time_ns()}", "password": "sea-and-sun-9",
        "contact_email": "somebody@example.org", "default_currency": "XXX",
    }  # fmt: skip
    headers = {"Host": "ihatemoney.test"}
    made = requests.post(
        f"http://{host.address}/api/projects", json=project, headers=headers, timeout=10
    )
    assert made.status_code == 201, made.text
    client = "runuser -u postgres -- psql -XAt" if name == "own" else "mariadb -N"

    def told(app: str, query: str) -> str:
        return host.out(f"echo {shlex.quote(query)} | {client} {app}_database")

    assert "Holidays" in told("ihatemoney", "select name from project;")
    if "bugsink" in PUBLISHED[name]:
        assert "Bugsink" in host.get("/accounts/login/", "bugsink.test").text
        assert int(told("bugsink", "select count(*) from django_migrations;")) > 20


def test_no_password_is_seen(lab: Lab) -> None:
    secret = {item for host in lab.hosts for item in passwords(host)}
    assert len(secret) >= 10
    # The logins of the third host are copied once more while everything is printed.
    lab.far.out(f"rm -r {STORE}")
    inventory = lab.inventory()
    watch = (
        "for i in $(seq 200); do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' "
        ">> /root/seen; sleep 0.1; done"
    )
    for host in lab.hosts:
        host.out(f"systemd-run --quiet --collect --unit=watch sh -c {json.dumps(watch)}")
    done = subprocess.run(
        [*PYINFRA, str(inventory), "deploy.py", "-y", "-vvv", "--debug", "--diff"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = done.stdout + done.stderr
    for host in lab.hosts:
        host.out("systemctl stop watch.service 2>/dev/null || true")
        told += host.out("cat /root/seen; rm /root/seen; journalctl --no-pager -o cat")
        told += host.out("cat /var/log/postgresql/* /var/log/mysql/* /var/log/redis/* 2>/dev/null"
                         " || true")  # fmt: skip
    assert not [item[:4] for item in secret if item in told]
    assert healthy(lab.far)


def test_others_reach_only_what_is_declared(lab: Lab) -> None:
    provider, own = lab.provider, lab.own
    open_ports = [port for port in (3306, 5432, 6379, 6380) if
                  connects(lab.far, provider.address, port)]  # fmt: skip
    assert 3306 in open_ports
    assert 5432 not in open_ports
    assert not any(connects(lab.far, own.address, port) for port in (3306, 5432, 6379, 6380))
    # The host without needs there is not let in either.
    assert not any(connects(own, provider.address, port) for port in (3306, 5432, 6379, 6380))


def test_an_application_sees_nothing_of_others(lab: Lab) -> None:
    url = variables(lab.own)["DATABASE_URL"].replace("postgresql+psycopg", "postgresql")
    other = url.replace("/notes_database?", "/postgres?")
    for target, good_one in ((url, True), (other, False)):
        done = as_notes(lab.own, f'import psycopg; psycopg.connect("{target}")')
        assert (done.rc == 0) == good_one, done.stderr
    url = variables(lab.provider)["DATABASE_URL"].replace("mysql+pymysql", "mysql")
    user, password = re.findall(r"//(\w+):(\w+)@", url)[0]
    for database, good_one in (("notes_database", True), ("mysql", False)):
        arguments = f'host="127.0.0.1", user="{user}", password="{password}", database="{database}"'
        done = as_notes(lab.provider, f"import pymysql; pymysql.connect({arguments})")
        assert (done.rc == 0) == good_one, done.stderr
    for command in ('CONFIG", "GET", "*', 'ACL", "LIST', "FLUSHALL"):
        redis = variables(lab.own)["CACHE_URL"]
        done = as_notes(
            lab.own, f'import redis; redis.Redis.from_url("{redis}").execute_command("{command}")'
        )
        assert "permissions" in done.stderr, command
    assert as_notes(lab.own, f'open("{STORE}/postgresql/notes.database/a/password")').rc != 0
    nobody = 'import redis; redis.Redis(unix_socket_path="/run/redis-cache/server.sock").keys()'
    assert "uthentication" in as_notes(lab.own, nobody).stderr


def test_units_are_restricted_while_they_serve(lab: Lab) -> None:
    for host in (lab.own, lab.provider):
        told = inside(host, "systemd-analyze security --no-pager 'postgresql@15-main' mariadb "
                      "redis-server@cache redis-server@queue 2>/dev/null || "
                      "systemd-analyze security --no-pager 'postgresql@17-main' mariadb "
                      "redis-server@cache redis-server@queue")  # fmt: skip
        figures = [float(item) for item in re.findall(r"exposure level for \S+ ([0-9.]+)", told)]
        assert len(figures) >= 4
        assert max(figures) <= 1.5


def test_a_rotation_loses_no_request(lab: Lab) -> None:
    rotations = (
        (lab.own, [lab.own], {"app": "notes"}),
        (lab.far, [lab.provider, lab.far], {"app": "notes", "need": "database"}),
    )
    for host, involved, data in rotations:
        data["app.notes.release.drain"] = "null"
        before = variables(host)
        inventory = only(lab, *involved)
        with Writer(host) as writes:
            time.sleep(1)
            names = ",".join(item.name for item in involved)
            playbook = "playbooks/rotate.py"
            good(lab.run(playbook=playbook, limit=names, inventory=inventory, data=data))
            time.sleep(1)
        assert writes.failures == []
        assert len(writes.stored) > 100
        assert "notes_database_b:" in variables(host)["DATABASE_URL"]
    user, password = re.findall(r"//(\w+):(\w+)@", before["DATABASE_URL"])[0]
    arguments = f'host="127.0.0.1", user="{user}", password="{password}"'
    assert as_notes(lab.provider, f"import pymysql; pymysql.connect({arguments})").rc != 0
    good(lab.run(playbook="playbooks/rollback.py", limit=lab.own.name, data={"app": "notes"}))
    assert healthy(lab.own)
    assert good(lab.run(limit=lab.provider.name)).changed == []


def only(lab: Lab, *hosts: LabHost) -> Path:
    """An inventory of some of the hosts."""
    inventory, path = lab.inventory(), lab.folder / "data.json"
    names = {host.name for host in hosts}
    data = json.loads(path.read_text())
    path.write_text(json.dumps({name: item for name, item in data.items() if name in names}))
    return inventory


def test_servers_that_are_killed_keep_what_they_acknowledged(lab: Lab) -> None:
    for host, unit in ((lab.own, "postgresql@15-main"), (lab.provider, "mariadb")):
        before = rows(host)
        with Writer(host) as writes:
            time.sleep(2)
            host.out(f"systemctl kill --signal=KILL {unit}")
            time.sleep(2)
            until(lambda host=host: healthy(host))  # type: ignore[misc]
            time.sleep(1)
        number, total = rows(host)
        # A write whose answer was lost may be there too.
        assert number >= before[0] + len(writes.stored)
        assert total >= before[1] + sum(writes.stored)
        assert len(writes.stored) > 50
    done = ask(lab.own)["done"]
    for _ in range(20):
        ask(lab.own, "/jobs", data="a job")
    until(lambda: ask(lab.own)["done"] == done + 20, 60)
    # What is older than a second is on the disk.
    time.sleep(1.5)
    lab.own.out("systemctl kill --signal=KILL redis-server@queue")
    until(lambda: healthy(lab.own))
    assert ask(lab.own)["done"] == done + 20


def test_a_host_that_loses_its_power_keeps_what_it_acknowledged(lab: Lab) -> None:
    before = rows(lab.own)
    with Writer(lab.own) as writes:
        time.sleep(2)
        lab.own.lose_power()
    lab.own.power_on()
    until(lambda: healthy(lab.own), 90)
    number, total = rows(lab.own)
    assert number >= before[0] + len(writes.stored)
    assert total >= before[1] + sum(writes.stored)


def test_an_application_waits_for_a_database_on_another_host(lab: Lab) -> None:
    before = rows(lab.far)
    services = "mariadb redis-server@cache redis-server@queue"
    lab.provider.out(f"systemctl stop {services}")
    try:
        subprocess.run(["docker", "restart", lab.far.container], check=True, capture_output=True)
        waits = "systemctl show --property=SubState --value groundcrew-await-notes"
        # Until systemd runs, nothing answers.
        until(lambda: inside(lab.far, f"{waits} || true").strip() == "start")
        time.sleep(3)
        assert inside(lab.far, waits).strip() == "start"
        failed = "systemctl list-units --plain --no-legend --state=failed"
        assert inside(lab.far, failed) == ""
        assert "waiting for" in inside(lab.far, "journalctl -o cat -u groundcrew-await-notes")
    finally:
        lab.provider.out(f"systemctl start {services}")
    until(lambda: healthy(lab.far) and healthy(lab.provider), 120)
    assert rows(lab.far) == before


REINSTALL = """\
export DEBIAN_FRONTEND=noninteractive
server=$(dpkg-query -W -f '${Package}\\n' 'postgresql-1*' | grep -E '^postgresql-1[0-9]$')
apt-get install -qq --reinstall -o Dpkg::Options::=--force-confold postgresql $server \\
    mariadb-server redis-server
"""


CONNECT = """\
import sys, time
driver, number, *urls = sys.argv[1:]
if driver == "psycopg":
    import psycopg
    connect = psycopg.connect
else:
    import pymysql, re
    def connect(url):
        user, password, host, name = re.findall(r"//(.+):(.+)@(.+):3306/(\\w+)", url)[0]
        return pymysql.connect(host=host, user=user, password=password, database=name)
held = []
try:
    while len(held) < int(number):
        held.append(connect(urls[0]))
except Exception as error:
    print(error)
print(len(held))
connect(urls[1])
print("another can")
"""


def limits(lab: Lab) -> Iterator[tuple[LabHost, str, str]]:
    """The two hosts with databases of their own, what connects to them, and how many connections
    the application's login may open there."""
    query = "select rolconnlimit from pg_roles where rolname = 'notes_database_b'"
    yield lab.own, "psycopg", lab.own.out(f'runuser -u postgres -- psql -XAtc "{query}"')
    query = "show grants for notes_database_a@'127.0.0.1'"
    grants = lab.provider.out(f'mariadb -Ne "{query}"')
    yield lab.provider, "pymysql", re.findall(r"MAX_USER_CONNECTIONS (\d+)", grants)[0]


def test_an_application_leaves_others_their_connections(lab: Lab) -> None:
    for host, driver, most in limits(lab):
        # Twice eight in the server and four in the worker, and one in the hooks.
        assert most == "25"
        urls = [
            re.sub(r"^(\w+)\+\w+:", r"\1:", variables(host, name)["DATABASE_URL"])
            for name in ("notes", "ihatemoney")
        ]
        words = " ".join(map(shlex.quote, [CONNECT, driver, "60", *urls]))
        told = host.out(f"cd / && /srv/notes/current/venv/bin/python -c {words}")
        refused, number, another = told.splitlines()[-3:]
        assert "too many connections for role" in refused or "max_user_connections" in refused
        # What the application itself has open counts too.
        assert 8 < int(number) <= 25
        assert another == "another can"
        assert healthy(host)


SUMS = "md5({0}(concat(id, ':', text){1} order by id{2})) from notes"


def sums(lab: Lab) -> list[str]:
    """A sum over every row of the two databases with notes."""
    query = SUMS.format("string_agg", ", ','", "")
    own = lab.own.out(f'runuser -u postgres -- psql -XAt -d notes_database -c "select {query}"')
    query = SUMS.format("group_concat", "", " separator ','")
    length = "set session group_concat_max_len = 100000000"
    provider = lab.provider.out(f'mariadb -N notes_database -e "{length}; select {query}"')
    assert all(re.fullmatch(r"[0-9a-f]{32}", item) for item in (own, provider))
    return [own, provider]


RELEASES, ROLLBACKS = (10, 2) if FULL else (2, 1)


def test_releases_and_rollbacks_leave_every_row(lab: Lab) -> None:
    before, names = sums(lab), f"{lab.own.name},{lab.provider.name}"
    for number in range(RELEASES):
        data = {"app": "notes", "app.notes.env.VERSION": f"v{number}"}
        good(lab.run(playbook="playbooks/release.py", limit=names, data=data))
        assert variables(lab.own)["VERSION"] == f"v{number}"
    for number in range(1, ROLLBACKS + 1):
        good(lab.run(playbook="playbooks/rollback.py", limit=names, data={"app": "notes"}))
        assert variables(lab.own)["VERSION"] == f"v{RELEASES - 1 - number}"
    assert sums(lab) == before
    good(lab.run(playbook="playbooks/release.py", limit=names, data={"app": "notes"}))
    assert sums(lab) == before


def documented(start: str, inventory: Path, dump: Path) -> str:
    """The command of docs/databases.md that begins so, for this inventory and application."""
    [text] = [text for text, pages in commands().items() if pages == ("databases",)
              and text.startswith(start)]  # fmt: skip
    for word, instead in (
        ("pyinfra inventory/prod.py", shlex.join([*PYINFRA, str(inventory)])),
        ("app=shop", "app=notes"),
        ("shop_database", "notes_database"),
        ("shop.sql", str(dump)),
    ):
        text = text.replace(word, instead)
    return text


def on_the_old_server(host: LabHost, start: str, dump: Path, user: str, more: str = "") -> None:
    """Runs a command of docs/databases.md on a host, and brings what it writes here."""
    text = documented(start, dump, Path("/tmp/old/shop.sql")).replace("shop.dump", "/tmp/old/d")
    steps = f"mkdir -p /tmp/old && chmod 777 /tmp/old && {more} cd /tmp/old && {text}"
    dump.write_text(inside(host, f"runuser -u {user} -- sh -c {shlex.quote(steps)} && "
                                 "cat /tmp/old/shop.sql"))  # fmt: skip


def load(start: str, inventory: Path, dump: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", documented(start, inventory, dump)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_a_dump_is_loaded_as_the_pages_say(lab: Lab) -> None:
    table = "create table old_notes (id integer primary key, text varchar(20))"
    fill = f"{table}; insert into old_notes values (1, 'old')"
    dump = lab.folder / "shop.sql"
    # PostgreSQL, as SQL and in a format of its own.
    postgres = "runuser -u postgres -- psql -XAtq"
    inside(lab.own, f'{postgres} -c "create database shop" && {postgres} -d shop -c "{fill}"')
    on_the_old_server(lab.own, "pg_dump", dump, "postgres")
    sql = dump.read_text()
    custom = "pg_dump --format=custom --file=/tmp/old/d shop &&"
    on_the_old_server(lab.own, "pg_restore", dump, "postgres", custom)
    assert "COPY public.old_notes" in sql
    assert "COPY public.old_notes" in dump.read_text()
    inventory, start = only(lab, lab.own), "(echo"
    done = load(start, inventory, dump)
    assert done.returncode == 0, done.stderr
    url = re.sub(r"^(\w+)\+\w+:", r"\1:", variables(lab.own)["DATABASE_URL"])
    change = f'psycopg.connect("{url}").execute("alter table old_notes drop column text")'
    assert as_notes(lab.own, f"import psycopg; {change}").rc == 0
    # Nothing of a dump that fails stays.
    dump.write_text("create table half (id integer);\nselect nothing;\n")
    done = load(start, inventory, dump)
    assert done.returncode != 0
    assert 'column "nothing" does not exist' in done.stderr
    tables = "select count(*) from pg_tables where tablename = 'half'"
    assert lab.own.out(f'{postgres} -d notes_database -c "{tables}"') == "0"
    # MariaDB.
    inside(lab.provider, f'mariadb -e "create database shop; use shop; {fill}"')
    on_the_old_server(lab.provider, "mariadb-dump", dump, "root")
    start = "pyinfra inventory/prod.py playbooks/client.py --data app=shop --data need=database <"
    done = load(start, only(lab, lab.provider), dump)
    assert done.returncode == 0, done.stderr
    assert lab.provider.out("mariadb -Ne 'select text from notes_database.old_notes'") == "old"


def test_packages_needs_and_releases_leave_the_data(lab: Lab) -> None:
    hosts = (lab.own, lab.provider)
    LabHost.together(hosts, lambda host: inside(host, REINSTALL))
    until(lambda: all(map(healthy, hosts)), 90)
    before = sums(lab)
    assert good(lab.run()).changed == []
    gone = lab.inventory(needs_own={"apps": []})
    good(lab.run(inventory=gone, limit=lab.own.name))
    locked = lab.own.out("runuser -u postgres -- psql -XAtc \"select count(*) from pg_roles "
                         "where rolcanlogin and rolname like 'notes%'\"")  # fmt: skip
    assert locked == "0"
    good(lab.run())
    assert sums(lab) == before
    number = rows(lab.own)[0]
    told = subprocess.run(
        [*PYINFRA, str(only(lab, lab.own)), "playbooks/client.py", "--data", "app=notes",
         "--data", "need=database"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        input="select 'rows ' || count(*) from notes;\n",
    )  # fmt: skip
    assert f"rows {number}" in told.stdout


def test_what_does_not_answer_is_told_before_anything_changes(lab: Lab) -> None:
    url = "postgresql://notes:secret-of-this-test@127.0.0.1:1/notes"
    needs = {"database": {"service": None, "url": {"env": "NOTES_DB"}}}
    wrong = lab.inventory(needs_own={"app": {"notes": {"needs": needs}}})
    run = lab.run(inventory=wrong, limit=lab.own.name, env={"NOTES_DB": url})
    assert run.status == 1
    assert "127.0.0.1:1: " in run.stderr
    assert "secret-of-this-test" not in run.stdout + run.stderr
    lab.provider.out("systemctl stop mariadb")
    try:
        run = lab.run(limit=lab.far.name)
        assert run.status == 1
        assert f"connect {lab.provider.address}:3306" in run.stderr
    finally:
        lab.provider.out("systemctl start mariadb")
    assert healthy(lab.own)


def test_only_purge_deletes_a_database(lab: Lab) -> None:
    gone = lab.inventory(needs_own={"apps": []})
    good(lab.run(inventory=gone, limit=lab.own.name))
    data = {"app": "notes"}
    run = lab.run(inventory=gone, limit=lab.own.name, playbook="playbooks/remove.py", data=data)
    good(run)
    query = "select count(*) from pg_database where datname = 'notes_database'"
    kept = f'runuser -u postgres -- psql -XAtc "{query}"'
    assert lab.own.out(kept) == "1"
    data["purge"] = "yes"
    run = lab.run(inventory=gone, limit=lab.own.name, playbook="playbooks/remove.py", data=data)
    assert "purge=notes" in run.stderr
    data["purge"] = "notes"
    good(lab.run(inventory=gone, limit=lab.own.name, playbook="playbooks/remove.py", data=data))
    assert lab.own.out(kept) == "0"
    assert healthy(lab.far)
