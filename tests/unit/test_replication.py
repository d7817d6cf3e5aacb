"""Replicas of servers: who has one of whom, what its primary does for it, and what is told."""

from __future__ import annotations

import io
import json
import pwd
import sys
from pathlib import Path
from typing import Any

import pytest

from groundcrew import remote
from groundcrew.bindings import Replication
from groundcrew.contract import Brings, Brought, ServerState
from groundcrew.remote import call, credentials
from groundcrew.remote.credentials import make_logins, take_login
from groundcrew.roles.postgresql import (
    PostgresqlSettings,
    builders,
    on_host,
    on_host_passfile,
    on_host_replica,
    on_host_replicas,
    on_host_server,
)
from groundcrew.roles.postgresql.checks import database_server, status
from groundcrew.roles.settings import HostSettings
from groundcrew.verify.seen import Seen
from tests.unit.project import Project

NEEDS = "needs: {database: postgresql}\n"
LINK = Replication("postgresql", "db1", "10.0.0.9", "db2", "10.0.0.10", 5432)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An application host, a primary and a replica."""
    made = Project(tmp_path)
    made.hosts = {
        "web1": (["web"], {"ssh_hostname": "192.0.2.1"}),
        "db1": (["postgresql"], {"ssh_hostname": "192.0.2.9", "address": "10.0.0.9"}),
        "db2": (["postgresql"], {"ssh_hostname": "192.0.2.10", "address": "10.0.0.10"}),
    }
    made.app(more=NEEDS)
    return made


def replica(project: Project, **settings: Any) -> None:
    project.hosts["db2"][1]["postgresql"] = {"replica_of": "db1", **settings}


def test_applications_get_the_primary(project: Project) -> None:
    replica(project)
    loaded = {name: item.settings for name, item in project.load().items()}
    assert [item.provider for item in loaded["web1"].place.uses] == ["db1"]
    assert loaded["db1"].place.replicas == loaded["db2"].place.follows == (LINK,)
    assert not loaded["db2"].place.provides
    assert LINK.account.startswith("replica_db2_")


def test_the_primary_lets_the_replica_in(project: Project) -> None:
    replica(project)
    loaded = {name: item.settings for name, item in project.load().items()}

    def port(settings: HostSettings) -> tuple[Any, bool]:
        [port_5432] = [item for item in settings.brought.ports if item.number == 5432]
        return port_5432.opened, port_5432.public

    assert port(loaded["db1"]) == (("10.0.0.10", "192.0.2.1"), True)
    assert port(loaded["db2"]) == (None, False)
    text = builders.access_rules(PostgresqlSettings(), [], [LINK])
    users = f"{LINK.account}_a,{LINK.account}_b"
    assert f"\nhostssl replication {users} 10.0.0.10/32 scram-sha-256\n" in text
    [state] = loaded["db2"].brought.states
    assert state.after_logins
    assert state.request["primary"]["store"] == LINK.store
    assert [item.after_logins for item in loaded["db1"].brought.states] == [False]


def test_the_replica_may_send_packets_to_its_primary_only() -> None:
    unit = builders.entries(PostgresqlSettings(), [], follows=[LINK])[-1]
    assert "IPAddressAllow=localhost 10.0.0.9\n" in unit.content  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("primary", "message"),
    [
        ("db3", 'no host "db3"; did you mean'),
        ("db2", "a host cannot have a replica of itself"),
        ("web1", "web1 is not in the inventory's group postgresql"),
    ],
)
def test_a_primary_that_is_none(project: Project, primary: str, message: str) -> None:
    replica(project, replica_of=primary)
    layer, key, told = project.error()
    assert (layer, key) == ("inventory, host db2", "postgresql.replica_of")
    assert told.startswith(message)


def test_no_replica_of_a_replica(project: Project) -> None:
    replica(project)
    more = {"ssh_hostname": "192.0.2.11", "postgresql": {"replica_of": "db2"}}
    project.hosts["db3"] = (["postgresql"], more)
    assert project.error() == (
        "inventory, host db3",
        "postgresql.replica_of",
        "db2 is a replica itself, of db1: name that one",
    )


def test_a_replica_allows_as_many_connections_as_its_primary(project: Project) -> None:
    replica(project, max_connections=50)
    layer, key, told = project.error()
    assert (layer, key) == ("inventory, host db2", "postgresql.max_connections")
    assert told.startswith("allows 50 connections, and the primary 100")


def test_a_need_cannot_name_a_replica(project: Project) -> None:
    replica(project)
    text = (project.root / "apps/shop.yml").read_text()
    need = "needs: {database: {service: postgresql, host: db2}}\n"
    project.write("apps/shop.yml", text.replace(NEEDS, need))
    assert project.error()[1:] == (
        "app.shop.needs.database.host",
        "db2 is a replica of db1, which provides it",
    )


def test_an_address_that_nobody_knows(project: Project) -> None:
    replica(project)
    project.hosts["db2"][1]["address"] = "db2.invalid"
    assert "which this machine cannot resolve" in project.error()[2]


def test_accounts_of_hosts_with_similar_names_differ() -> None:
    names = ["db-2", "db.2", "DB-2", "d" * 200]
    accounts = {
        Replication("postgresql", "db1", "::1", name, "::2", 5432).account for name in names
    }
    assert len(accounts) == len(names)
    assert all(on_host_replicas.OURS.fullmatch(item) for item in accounts)
    # PostgreSQL cuts longer ones.
    assert max(map(len, accounts)) + len("_a") <= 63


def test_states_after_logins_come_last() -> None:
    states = [ServerState("replica", "a", after_logins=True), ServerState("server", "b")]
    brought = Brought({"one": Brings(states=states)})
    assert [item.title for item in brought.states_first] == ["server"]
    assert [item.title for item in brought.states_last] == ["replica"]


@pytest.fixture
def request_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the program on the primary is asked."""
    monkeypatch.setattr(credentials, "FOLDER", str(tmp_path / "credentials"))
    store = str(tmp_path / "credentials/postgresql.replicas" / LINK.account)
    make_logins(store, LINK.account)
    return {
        "accounts": [],
        "replicas": [{"host": "db2", "account": LINK.account, "store": store}],
    }


def test_what_a_primary_makes_for_a_replica(request_of: dict[str, Any]) -> None:
    changes = on_host.changes(request_of, {"roles": {}, "databases": {}, "slots": {}})
    assert [line for line, _ in changes] == [
        f"no login {LINK.account}_a",
        f"no login {LINK.account}_b",
        f"{LINK.account}_a: REPLICATION LOGIN",
        f"{LINK.account}_b: REPLICATION NOLOGIN",
        f"no slot {LINK.account}",
    ]
    [store] = [item["store"] for item in request_of["replicas"]]
    passwords = [item.password for item in credentials.logins(store, "")]
    assert not any(password in statement for _, statement in changes for password in passwords)


def test_a_slot_that_lost_something_and_one_that_is_not_needed(request_of: dict[str, Any]) -> None:
    gone = "replica_old_012345"
    roles = {
        f"{LINK.account}_a": {"replication": True, "login": True},
        f"{LINK.account}_b": {"replication": True, "login": False},
        f"{gone}_a": {"replication": True, "login": True},
        "replica_of_the_dba": {"replication": True, "login": True},
    }
    slots = {
        LINK.account: {"active": False, "state": "lost"},
        gone: {"active": False, "state": "reserved"},
        "replica_in_use_012345": {"active": True, "state": "reserved"},
        "of_the_dba": {"active": False, "state": "reserved"},
    }
    changes = on_host_replicas.replica_changes(request_of, {"roles": roles, "slots": slots})
    assert [line for line, _ in changes] == [
        f"the slot {LINK.account} no longer has what the replica lacks",
        f"{gone}_a belongs to no replica any more",
        f"the slot {gone} belongs to no replica any more",
    ]


def test_a_primary_that_was_stopped_for_a_promotion_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_host_server, "data_directory", lambda: str(tmp_path))
    assert not on_host_server.is_standby()
    (tmp_path / "standby.signal").touch()
    assert on_host.differences({}) == [on_host.RECOVERING]
    with pytest.raises(on_host_server.ServerError, match="accepts no writes"):
        on_host.converge({})


@pytest.fixture
def primary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the programs on the replica's host know of the primary."""
    monkeypatch.setattr(credentials, "FOLDER", str(tmp_path / "credentials"))
    store = str(tmp_path / "credentials/postgresql.replicas" / LINK.account)
    take_login(store, f"{LINK.account}_a", "secret")
    return {
        "host": "db1", "address": "10.0.0.9", "port": 5432, "slot": LINK.account, "store": store,
        "ca": "/etc/ca.pem", "passfile": str(tmp_path / "passfile"),
    }  # fmt: skip


def test_the_password_is_in_a_file_of_postgres_alone(
    primary: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Owner:
        pw_uid, pw_gid = -1, -1

    monkeypatch.setattr(pwd, "getpwnam", lambda _: Owner)
    told = on_host_replica.conninfo(primary)
    assert "secret" not in told
    assert f"user={LINK.account}_a" in told
    assert "sslmode=verify-full sslrootcert=/etc/ca.pem" in told
    assert not on_host_passfile.passfile_is_right(primary)
    on_host_passfile.write_passfile(primary)
    file = Path(primary["passfile"])
    assert file.read_text() == f"10.0.0.9:5432:*:{LINK.account}_a:secret\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert on_host_passfile.passfile_is_right({**primary})
    assert not on_host_passfile.passfile_is_right({**primary, "address": "2001:db8::1"})


def server(monkeypatch: pytest.MonkeyPatch, **state: Any) -> list[str]:
    """Puts a server in the place of the replica's, and collects what is done with it."""
    done: list[str] = []
    own = {
        "recovering": False, "conninfo": "", "slot": "", "databases": [], "tables": False, **state
    }  # fmt: skip
    replacements: dict[str, Any] = {
        "state": lambda: own,
        "write_passfile": lambda _: None,
        "load_configuration": lambda _: None,
        "is_standby": lambda: False,
        "cluster": lambda: ("15", "main"),
        "_primary_version": lambda _: state.get("theirs", 15),
        "_follow": lambda _: done.append("follow"),
        "_copy": lambda _: done.append("copy"),
        "_streams": lambda _: state.get("streams", False),
    }
    for name, value in replacements.items():
        monkeypatch.setattr(on_host_replica, name, value)
    return done


def test_a_server_with_databases_is_not_replaced_unasked(
    primary: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = server(monkeypatch, databases=["shop"])
    request = {"primary": primary, "move_aside": False}
    with pytest.raises(on_host_server.ServerError, match=r"databases of its own \(shop\).*aside"):
        on_host_replica.converge(request)
    assert done == []
    on_host_replica.converge({**request, "move_aside": True})
    assert done == ["copy"]


def test_a_new_server_is_replaced_and_a_standby_follows(
    primary: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = {"primary": primary, "move_aside": False}
    done = server(monkeypatch)
    on_host_replica.converge(request)
    assert done == ["copy"]
    done = server(monkeypatch, recovering=True, databases=["shop"], streams=True)
    on_host_replica.converge(request)
    assert done == ["follow"]
    # It has changes that the primary does not have, or lacks some that are gone.
    done = server(monkeypatch, recovering=True, databases=["shop"], streams=False)
    on_host_replica.converge(request)
    assert done == ["follow", "copy"]


def test_another_major_version_is_refused(
    primary: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = server(monkeypatch, theirs=17)
    with pytest.raises(on_host_server.ServerError, match="PostgreSQL 17, and this host 15"):
        on_host_replica.converge({"primary": primary, "move_aside": True})
    assert done == []


FIGURES = {
    "version": "15.20", "used": 3, "allowed": 100, "hit_rate": 99.1, "slow": 0, "memory": 1 << 25,
    "unbound": [], "rotating": [], "databases": {}, "differences": [], "replicas": [],
}  # fmt: skip


def lagging(**state: Any) -> dict[str, Any]:
    return {"host": "db2", "streaming": True, "bytes": 2048, "seconds": 0.25, **state}


@pytest.mark.parametrize(
    ("state", "word", "told"),
    [
        ({}, "ok", "2 KiB and 0.2 s behind"),
        ({"seconds": 31}, "warn", "2 KiB and 31.0 s behind; at most 30 s"),
        ({"seconds": 301}, "fail", "2 KiB and 301.0 s behind; at most 30 s"),
        ({"streaming": False, "bytes": None}, "fail", "receives nothing"),
        (
            {"streaming": False, "slot": "lost"},
            "fail",
            "receives nothing, and lacks changes that are gone",
        ),
    ],
)
def test_verify_tells_the_lag_on_the_primary(state: dict[str, Any], word: str, told: str) -> None:
    report = {**FIGURES, "replicas": [lagging(**state)]}
    check = list(database_server(PostgresqlSettings(), seen(report)))[-1]
    assert (check.name, check.status.name.lower(), check.detail) == (
        "postgresql replica db2",
        word,
        told,
    )


def test_verify_and_status_tell_the_lag_on_the_replica() -> None:
    replica = {"of": "db1", "aside": ["/var/lib/postgresql/15/main.before-1"], **lagging()}
    report: Any = {
        **FIGURES,
        "replica": replica,
        "databases": {"shop": {"size": 1 << 23, "used": 0}},
    }
    checks = list(database_server(PostgresqlSettings(), seen(report)))
    assert [item.detail for item in checks] == [
        "15.20, a replica of db1",
        "2 KiB and 0.2 s behind",
    ]
    assert list(status(report))[1:] == [
        "  replica of db1: 2 KiB and 0.2 s behind",
        "  /var/lib/postgresql/15/main.before-1: moved aside, not used",
        "  shop: 8 MiB, 0 connections",
    ]


def seen(report: dict[str, Any]) -> Seen:
    """What verify has read on a host."""

    class Report:
        def section(self, name: str) -> dict[str, Any]:
            assert name == "postgresql"
            return report

    return Report()  # type: ignore[return-value]


def test_a_function_of_a_role_is_called_on_a_host(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked(**wanted: Any) -> int:
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(wanted)))
        return call.main()

    assert asked(module="json", function="dumps", request={"a": 1}) == 0
    assert json.loads(capsys.readouterr().out) == '{"a": 1}'
    assert asked(module="json", function="loads", request="{") == 1
    assert "Expecting property name" in capsys.readouterr().err


def test_modules_of_a_role_are_sent_with_those_that_need_them() -> None:
    module = "groundcrew.roles.postgresql.on_host_promotion"
    text = remote.source("call", module)
    names = ["on_host_server", "on_host_passfile", "on_host_replica", "on_host_promotion"]
    places = [text.index(f"('groundcrew.roles.postgresql.{name}'") for name in names]
    # Each before those that import it.
    assert places == sorted(places)
    assert "groundcrew.remote.credentials" in text
