"""MariaDB: its files, what differs in a server, and what applications are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from groundcrew.bindings import Location, Login
from groundcrew.remote import credentials
from groundcrew.roles.mariadb import MariadbSettings, builders, on_host
from groundcrew.roles.mariadb.checks import status
from tests.unit.project import Project

NEEDS = "needs: {database: mariadb}\n"
HOSTS = ("localhost", "127.0.0.1", "192.0.2.1")


def test_it_listens_for_others_only_if_they_need_it() -> None:
    lines = builders.configuration(MariadbSettings(), remote=False).splitlines()
    assert "[mariadbd]" in lines
    assert "bind-address = 127.0.0.1" in lines
    assert "skip-name-resolve = ON" in lines
    assert "local-infile = OFF" in lines
    assert not [line for line in lines if line.startswith("ssl")]
    others = builders.configuration(MariadbSettings(), remote=True).splitlines()
    assert "bind-address = *" in others
    assert f"ssl-key = {builders.KEY}" in others


def test_sizes_and_what_replaces_them() -> None:
    small = MariadbSettings().profile
    assert (small.memory_max, small.buffer_pool, small.max_connections) == (1024, 512, 100)
    chosen = MariadbSettings(size="large", memory_max="6G", buffer_pool="5G", max_connections=1000)
    assert (chosen.profile.memory_max, chosen.profile.buffer_pool) == (6144, 5120)
    assert chosen.most_connections("") == 995
    # As many as the server asks for with 1000 connections.
    text = builders.configuration(chosen, remote=False)
    [files] = [line for line in text.splitlines() if line.startswith("open_files_limit")]
    assert int(files.split(" = ")[1]) >= 33033
    with pytest.raises(ValidationError, match="leaves no connection"):
        MariadbSettings(max_connections=10, reserved_connections=10)


def test_the_query_cache_is_off_and_can_be_set() -> None:
    assert "query_cache_type = OFF" in builders.configuration(MariadbSettings(), remote=False)
    settings = MariadbSettings(query_cache="256M")
    text = builders.configuration(settings, remote=False)
    assert "query_cache_type = ON" in text
    assert f"query_cache_size = {256 << 20}" in text
    assert settings.profile.memory_max == 1280


def test_parameters_are_added_replaced_and_left_out() -> None:
    settings = MariadbSettings(parameters={"wait_timeout": "600", "slow_query_log": None})
    text = builders.configuration(settings, remote=False)
    assert "\nwait_timeout = 600\n" in text
    assert "slow_query_log =" not in text
    for name in ("a b", "x]", "a\n[client]"):
        with pytest.raises(ValidationError):
            MariadbSettings(parameters={name: "1"})


@pytest.mark.parametrize(
    ("location", "url"),
    [
        (
            Location("127.0.0.1", local=True, socket=True, ca=""),
            "localhost/shop_database?charset=utf8mb4&unix_socket=/run/mysqld/mysqld.sock",
        ),
        (
            Location("127.0.0.1", local=True, socket=False, ca=""),
            "127.0.0.1:3306/shop_database?charset=utf8mb4",
        ),
        (
            Location("2001:db8::1", local=False, socket=False, ca="/ca.pem"),
            "[2001:db8::1]:3306/shop_database?charset=utf8mb4&ssl_ca=/ca.pem",
        ),
    ],
)
def test_the_url_says_how_to_connect(tmp_path: Path, location: Location, url: str) -> None:
    project = Project(tmp_path)
    project.app("shop", NEEDS)
    project.hosts = {"web1": (["web", "mariadb"], {})}
    settings = project.settings()
    [binding] = settings.place.provides
    endpoint = settings.mariadb.endpoint(binding, location, Login("u", "p"))
    assert endpoint.parts["url"] == f"mysql://u:p@{url}"
    assert bool(endpoint.answers) is not location.local


def test_names_of_the_server_and_settings_of_others_are_refused(tmp_path: Path) -> None:
    project = Project(tmp_path)
    need = "{service: mariadb, name: mysql, prefix: p, extensions: [x]}"
    project.app("shop", f"needs: {{database: {need}}}\n")
    project.hosts = {"web1": (["web", "mariadb"], {})}
    told = {key.rpartition(".")[2]: message for _, key, message in project.errors()}
    assert told["name"].endswith("mysql is MariaDB's own")
    assert told["prefix"].endswith("is not for MariaDB")
    assert told["extensions"].endswith("is not for MariaDB")


def test_the_port_opens_for_the_other_hosts_alone(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.app("shop", NEEDS)
    project.hosts = {
        "web1": (["web"], {"address": "192.0.2.1"}),
        "db1": (["mariadb"], {"address": "192.0.2.9"}),
    }
    brought = project.settings("db1").brought
    [port] = brought.roles["mariadb"].ports
    assert (port.opened, port.public) == (("192.0.2.1",), True)
    [state] = brought.states
    assert state.request["certificate"]["names"] == ["192.0.2.9"]
    assert state.request["accounts"][0]["hosts"] == {"192.0.2.1": None}


def test_the_stored_form_of_a_password() -> None:
    # SELECT PASSWORD('password')
    assert on_host.hashed("password") == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"


def test_underscores_stand_for_themselves_alone() -> None:
    assert on_host.pattern("shop_db") == r"shop\_db"


@pytest.fixture
def request_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(credentials, "FOLDER", str(tmp_path / "credentials"))
    store = str(tmp_path / "credentials/mariadb/shop.database")
    credentials.make_logins(store, "shop_database")
    account = {
        "account": "shop_database", "database": "shop_db", "store": store,
        "hosts": dict.fromkeys(HOSTS),
    }  # fmt: skip
    return {"accounts": [account]}


def state_of(request: dict[str, Any]) -> dict[str, Any]:
    """A server in which everything is as it should be."""
    users: dict[tuple[str, str], dict[str, Any]] = {
        ("root", "localhost"): {"plugin": "unix_socket", "access": 1},
    }
    grants = set()
    for account in request["accounts"]:
        for login in credentials.logins(account["store"], account["account"]):
            for host in account["hosts"]:
                users[login.user, host] = {
                    "access": 0,
                    "plugin": "mysql_native_password",
                    "authentication_string": on_host.hashed(login.password),
                    "ssl_type": int(host == "192.0.2.1"),
                    "account_locked": not login.enabled,
                }
                grants.add((login.user, host, r"shop\_db"))
    return {
        "users": users, "grants": grants, "others": set(), "databases": {"shop_db", "mysql"},
    }  # fmt: skip


def statements(request: dict[str, Any], state: dict[str, Any]) -> list[str]:
    return [statement for _, statement in on_host.changes(request, state)]


def test_nothing_differs(request_of: dict[str, Any]) -> None:
    assert on_host.changes(request_of, state_of(request_of)) == []


def test_a_new_binding(request_of: dict[str, Any]) -> None:
    empty = {"users": {}, "grants": set(), "others": set(), "databases": {"mysql"}}
    lines = statements(request_of, empty)
    assert lines[0] == "CREATE DATABASE `shop_db` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
    [created] = [item for item in lines if "'shop_database_b'@'192.0.2.1' IDENT" in item]
    assert created.startswith("CREATE USER")
    assert created.endswith("REQUIRE SSL ACCOUNT LOCK")
    assert r"GRANT ALL PRIVILEGES ON `shop\_db`.* TO 'shop_database_a'@'localhost'" in lines
    store = request_of["accounts"][0]["store"]
    passwords = [item.password for item in credentials.logins(store, "shop_database")]
    assert not any(password in item for password in passwords for item in lines)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"authentication_string": "*0"}, "another password of"),
        ({"plugin": "unix_socket"}, "another password of"),
        ({"ssl_type": 0}, "REQUIRE SSL"),
        ({"account_locked": True}, "UNLOCK"),
        ({"access": 2}, "may do more than it needs"),
    ],
)
def test_a_login_that_differs(
    request_of: dict[str, Any], change: dict[str, Any], line: str
) -> None:
    state = state_of(request_of)
    state["users"]["shop_database_a", "192.0.2.1"].update(change)
    assert line in on_host.changes(request_of, state)[0][0]


def test_grants_on_other_databases_are_taken_away(request_of: dict[str, Any]) -> None:
    state = state_of(request_of)
    state["others"].add(("shop_database_a", "localhost", "mysql"))
    assert statements(request_of, state) == [
        "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'shop_database_a'@'localhost'",
        r"GRANT ALL PRIVILEGES ON `shop\_db`.* TO 'shop_database_a'@'localhost'",
    ]


def test_logins_that_nobody_needs_are_locked_and_data_stays(request_of: dict[str, Any]) -> None:
    state = state_of(request_of)
    request_of["accounts"][0]["hosts"].pop("192.0.2.1")
    # The other login is locked already.
    assert statements(request_of, state) == [
        "ALTER USER 'shop_database_a'@'192.0.2.1' ACCOUNT LOCK"
    ]
    lines = statements({"accounts": []}, state)
    assert len(lines) == 3
    assert all(item.endswith("ACCOUNT LOCK") for item in lines)


def test_what_an_old_installation_leaves_open(request_of: dict[str, Any]) -> None:
    state = state_of(request_of)
    state["users"].update({("", "localhost"): {}, ("root", "%"): {}})
    assert statements(request_of, state) == [
        "DROP USER ''@'localhost'",
        "ALTER USER 'root'@'%' ACCOUNT LOCK",
    ]


def test_the_status_tells_size_connections_and_what_nobody_needs() -> None:
    lines = status(
        {
            "version": "10.11.6", "used": 3, "allowed": 100, "hit_rate": None, "slow": 2,
            "memory": 1 << 27, "unbound": ["old"], "rotating": [], "differences": [],
            "databases": {"old": {"size": 1 << 20, "used": 0}},
        }
    )  # fmt: skip
    assert list(lines) == [
        "mariadb 10.11.6: 3 of 100 connections, hit rate ?, 2 slow queries, memory 128 MiB",
        "  old: 1 MiB, 0 connections, needed by no application",
    ]
