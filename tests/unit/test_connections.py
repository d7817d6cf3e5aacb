"""How many connections each login may have open, and what sets that on the servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from groundcrew.bindings import Place
from groundcrew.facts.machine import Machine, machine
from groundcrew.remote import credentials
from groundcrew.roles import connections
from groundcrew.roles.mariadb import on_host as mariadb
from groundcrew.roles.postgresql import on_host as postgresql
from groundcrew.roles.settings import HostSettings
from tests.unit.project import Project

FIXED = "server: {worker_class: gthread, workers: 2, threads: 3}\nhooks: {release: [migrate]}\n"
OPENED = 2 * 2 * 3 + 1
"""Both releases, while one replaces the other, and its hooks."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.hosts = {
        "web1": (["web"], {"address": "192.0.2.1"}),
        "web2": (["web"], {"address": "192.0.2.2"}),
        "db1": (["postgresql", "mariadb"], {"address": "192.0.2.9"}),
    }
    return made


def account(settings: HostSettings, role: str) -> dict[str, Any]:
    """What a server is asked for its one application."""
    [state] = [item for item in settings.brought.states if item.title == role]
    [account_request] = state.request["accounts"]
    return dict(account_request)


def test_a_login_may_open_what_the_budget_counts(project: Project) -> None:
    project.app(more=f"needs: {{database: postgresql, other: mariadb}}\n{FIXED}")
    settings = project.settings("db1")
    assert account(settings, "postgresql")["connections"] == 2 * OPENED
    # MariaDB counts the connections from each host by themselves.
    assert account(settings, "mariadb")["hosts"] == {"192.0.2.1": OPENED, "192.0.2.2": OPENED}


def test_a_need_may_say_more(project: Project) -> None:
    need = "needs: {database: {service: postgresql, connections: 40}}\n"
    project.app(more=f"{need}{FIXED}")
    assert account(project.settings("db1"), "postgresql")["connections"] == 80
    project.all = {"postgresql": {"max_connections": 80}}
    _, key, told = project.error()
    assert key == "postgresql.max_connections"
    assert "can open 80 connections" in told
    assert "shop on web1: up to 40, which it may have = 27" in told


def test_a_need_may_not_say_less(project: Project) -> None:
    need = "needs: {database: {service: postgresql, connections: 5}}\n"
    project.app(more=f"{need}{FIXED}")
    problems = {(key, told) for _, key, told in project.errors()}
    assert problems == {
        (
            "app.shop.needs.database.connections",
            f"is 5, and the application can open {OPENED}: shop on web1: server 2 x 3, twice while "
            "a release replaces another = 12; shop on web1: release hooks 1 x 1 = 1",
        ),
        (
            "app.shop.needs.database.connections",
            f"is 5, and the application can open {OPENED}: shop on web2: server 2 x 3, twice while "
            "a release replaces another = 12; shop on web2: release hooks 1 x 1 = 1",
        ),
    }


def test_redis_limits_no_login(project: Project) -> None:
    project.hosts["db1"][0].append("redis")
    project.app(more=f"needs: {{cache: {{service: redis.cache, connections: 50}}}}\n{FIXED}")
    assert project.error()[1:] == (
        "app.shop.needs.cache.connections",
        "db1 cannot provide it: is for PostgreSQL and MariaDB only",
    )


def test_what_follows_from_the_processors_of_another_host(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.app(more="needs: {database: postgresql, other: mariadb}\n")
    loaded = project.load()
    settings = loaded["db1"].settings
    assert account(settings, "postgresql")["connections"] is None
    asked: dict[str, Machine | None] = {"web1": Machine(2, 4 << 30), "web2": Machine(4, 8 << 30)}
    monkeypatch.setattr(connections, "_machine", asked.__getitem__)

    class Inventory:
        def get_host(self, name: str) -> str:
            return name

    monkeypatch.setattr(connections, "inventory", Inventory())
    monkeypatch.setattr(connections, "settings_for", loaded.__getitem__)
    limited = connections.limited(settings)
    assert account(limited, "postgresql")["connections"] == 2 * 5 + 2 * 9
    assert account(limited, "mariadb")["hosts"] == {"192.0.2.1": 10, "192.0.2.2": 18}
    # One that is not part of the run.
    asked["web2"] = None
    limited = connections.limited(settings)
    assert account(limited, "postgresql")["connections"] is None
    assert account(limited, "mariadb")["hosts"] == {"192.0.2.1": 10, "192.0.2.2": None}
    assert connections.limited(settings.placed(Place())).place.provides == ()


def test_what_a_host_says_of_itself() -> None:
    assert machine(["2", "MemTotal:        4030352 kB"]) == Machine(2, 4030352 * 1024)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(credentials, "FOLDER", str(tmp_path / "credentials"))
    store = str(tmp_path / "credentials/some/shop.database")
    credentials.make_logins(store, "shop_database")
    return store


@pytest.mark.parametrize("most", [None, 7])
def test_what_postgresql_is_told(store: str, most: int | None) -> None:
    item: dict[str, Any] = {
        "app": "shop", "account": "shop_database", "database": "shop", "store": store,
        "extensions": [], "connections": most,
    }  # fmt: skip
    state: dict[str, Any] = {"roles": {}, "databases": {}, "slots": {}}

    def told() -> list[str]:
        changes = postgresql.changes({"accounts": [item]}, state)
        return [text for _, text in changes if "CONNECTION" in text]

    wanted = [f'ALTER ROLE "shop_database_{letter}" CONNECTION LIMIT 7' for letter in "ab"]
    assert told() == (wanted if most else [])
    role: dict[str, Any] = {
        "login": True,
        "password": None,
        "settings": None,
        "of": [],
        "connections": 7,
    }
    state["roles"] = {"shop_database_a": role, "shop_database_b": {**role, "connections": -1}}
    assert told() == (wanted[1:] if most else [])


def test_what_mariadb_is_told(store: str) -> None:
    hosts = {"localhost": None, "192.0.2.1": 7}
    item = {"account": "shop_database", "database": "shop", "store": store, "hosts": hosts}
    users = {("shop_database_a", "192.0.2.1"): {"max_user_connections": 7}}
    state = {"users": users, "grants": set(), "others": set(), "databases": {"shop"}}
    told = [text for _, text in mariadb.changes({"accounts": [item]}, state)]
    assert [text for text in told if "MAX_USER" in text] == [
        "ALTER USER 'shop_database_b'@'192.0.2.1' WITH MAX_USER_CONNECTIONS 7"
    ]
