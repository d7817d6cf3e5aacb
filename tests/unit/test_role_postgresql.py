"""PostgreSQL: its files, and what differs in a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from groundcrew.bindings import Binding, Client
from groundcrew.manifest.need import Need
from groundcrew.remote import credentials
from groundcrew.remote.credentials import make_logins, rotate_logins
from groundcrew.roles.postgresql import PostgresqlSettings, builders, on_host, on_host_server
from groundcrew.roles.postgresql.checks import status

PASSWORD = "pencil"
# From RFC 7677, with the exchange's salt.
SALT = b"[m\x99h\x9d\x125\x8e\xec\xa0K\x14\x126\xfa\x81"


def binding(*addresses: str, local: bool = True, **need: Any) -> Binding:
    clients = [Client(f"web{number}", item) for number, item in enumerate(addresses)]
    return Binding(
        app="shop",
        need="database",
        settings=Need.model_validate({"service": "postgresql", **need}),
        provider="db1",
        address="10.0.0.9",
        clients=(*([Client("db1", None)] if local else []), *clients),
    )


def test_the_verifier_is_the_one_of_the_standard() -> None:
    assert on_host.verifier(PASSWORD, SALT) == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
    assert on_host.fits(PASSWORD, on_host.verifier(PASSWORD, b"another salt 123"))
    assert not on_host.fits("pencils", on_host.verifier(PASSWORD, SALT))
    assert not on_host.fits(PASSWORD, None)
    assert not on_host.fits(PASSWORD, "md5abc")


def test_who_may_connect() -> None:
    text = builders.access_rules(PostgresqlSettings(), [binding("10.0.0.1", "2001:db8::1")])
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert rules == [
        "local all postgres peer",
        "local shop_database shop_database_a,shop_database_b scram-sha-256",
        "host shop_database shop_database_a,shop_database_b 127.0.0.1/32 scram-sha-256",
        "hostssl shop_database shop_database_a,shop_database_b 10.0.0.1/32 scram-sha-256",
        "hostssl shop_database shop_database_a,shop_database_b 2001:db8::1/128 scram-sha-256",
    ]
    settings = PostgresqlSettings(hba=("host all dba 10.1.0.0/16 scram-sha-256",))
    assert builders.access_rules(settings, []).endswith("host all dba 10.1.0.0/16 scram-sha-256\n")


def test_it_listens_for_others_only_if_they_need_it() -> None:
    alone = builders.configuration(PostgresqlSettings(), remote=False)
    assert "listen_addresses = 'localhost'" in alone
    assert "ssl = 'off'" in alone
    others = builders.configuration(PostgresqlSettings(), remote=True)
    assert "listen_addresses = '*'" in others
    assert f"ssl_key_file = '{builders.KEY}'" in others


def test_sizes_and_parameters() -> None:
    settings = PostgresqlSettings(
        size="medium",
        work_mem="32M",
        parameters={"jit": None, "application_name": "it's", "max_wal_size": "2GB"},
    )
    text = builders.configuration(settings, remote=False)
    assert "shared_buffers = '768MB'" in text
    assert "work_mem = '32MB'" in text
    assert "max_connections = '200'" in text
    assert "application_name = 'it''s'" in text
    assert "max_wal_size = '2GB'" in text
    assert "jit" not in text
    assert settings.most_connections("") == 192


@pytest.fixture
def request_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(credentials, "FOLDER", str(tmp_path / "credentials"))
    store = str(tmp_path / "credentials/postgresql/shop.database")
    make_logins(store, "shop_database")
    account: dict[str, Any] = {
        "account": "shop_database", "database": "shop", "store": store, "extensions": [],
        "connections": None,
    }  # fmt: skip
    return {"accounts": [account]}


def applied(request: dict[str, Any], state: dict[str, Any]) -> list[str]:
    """The lines of what differs. The statements are kept as text."""
    return [line for line, _ in on_host.changes(request, state)]


def test_a_new_server_gets_owner_logins_and_database(request_of: dict[str, Any]) -> None:
    changes = on_host.changes(request_of, {"roles": {}, "databases": {}})
    assert [line for line, _ in changes] == [
        "no role shop",
        "no login shop_database_a",
        "shop_database_a is no member of shop",
        "shop_database_a does not act as shop",
        "shop_database_a: LOGIN",
        "no login shop_database_b",
        "shop_database_b is no member of shop",
        "shop_database_b does not act as shop",
        "no database shop",
        "shop is open to all",
    ]
    passwords = [
        item.password for item in credentials.logins(request_of["accounts"][0]["store"], "")
    ]
    assert not any(password in statement for _, statement in changes for password in passwords)


def state_of(request: dict[str, Any]) -> dict[str, Any]:
    """A server in which everything is as it should be."""
    account = request["accounts"][0]
    roles = {
        login.user: {
            "login": login.enabled,
            "password": on_host.verifier(login.password, b"0123456789abcdef"),
            "settings": [f"role={account['database']}"],
            "of": [account["database"]],
        }
        for login in credentials.logins(account["store"], account["account"])
    }
    roles[account["database"]] = {"login": False, "password": None, "settings": None, "of": []}
    return {"roles": roles, "databases": {account["database"]: {"owner": "shop", "open": False}}}


def test_nothing_differs_until_something_does(request_of: dict[str, Any]) -> None:
    assert applied(request_of, state_of(request_of)) == []
    state = state_of(request_of)
    state["roles"]["shop_database_a"]["password"] = "SCRAM-SHA-256$4096:AAAA$BBBB:CCCC"
    state["databases"]["shop"]["owner"] = "postgres"
    assert applied(request_of, state) == [
        "another password of shop_database_a",
        "shop does not belong to shop",
    ]


def test_a_rotation_and_a_binding_that_is_gone(request_of: dict[str, Any]) -> None:
    state = state_of(request_of)
    rotate_logins(request_of["accounts"][0]["store"], "shop_database")
    assert applied(request_of, state) == [
        "another password of shop_database_b",
        "shop_database_b: LOGIN",
    ]
    state = state_of(request_of)
    gone = on_host.changes({"accounts": []}, state)
    assert [statement for _, statement in gone] == [
        'ALTER ROLE "shop_database_a" NOLOGIN',
        'ALTER ROLE "shop_database_b" NOLOGIN',
    ]


def test_names_are_quoted() -> None:
    assert on_host_server.name('a"b') == '"a""b"'
    assert on_host_server.literal("a'b") == "'a''b'"


def test_the_status_tells_size_connections_and_what_nobody_needs() -> None:
    lines = status(
        {
            "unit": "postgresql@15-main.service",
            "differences": [],
            "replicas": [],
            "replica": None,
            "rotating": [],
            "version": "15.20",
            "used": 3,
            "allowed": 100,
            "hit_rate": 99.1,
            "slow": None,
            "memory": 1 << 25,
            "unbound": ["old"],
            "databases": {
                "shop": {"size": 1 << 23, "used": 2},
                "old": {"size": 1 << 20, "used": 0},
            },
        }
    )
    assert list(lines) == [
        "postgresql 15.20: 3 of 100 connections, hit rate 99.1 %, 0 slow statements, memory 32 MiB",
        "  old: 1 MiB, 0 connections, needed by no application",
        "  shop: 8 MiB, 2 connections",
    ]


@pytest.mark.parametrize(
    "line", ["host all nobody", "hosts a b 10.0.0.0/8 scram-sha-256", "local x"]
)
def test_rules_that_the_server_would_not_read_are_refused(line: str) -> None:
    with pytest.raises(ValidationError, match="hba"):
        PostgresqlSettings(hba=(line,))
    PostgresqlSettings(hba=("# DBA", "local all dba peer", "hostssl all dba 10.0.0.0/8 cert map=x"))
