"""MongoDB: its files, what differs in a server, and what applications are told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from groundcrew.bindings import Location, Login
from groundcrew.entries import File
from groundcrew.remote import credentials
from groundcrew.roles.base.apt_sources import ARMOR
from groundcrew.roles.mongodb import MongodbSettings, builders, on_host, on_host_client
from groundcrew.roles.mongodb.checks import database_server, status
from groundcrew.roles.mongodb.on_host_client import Command, RefusedError, ServerError
from groundcrew.roles.mongodb.report import Server
from groundcrew.verify.seen import Seen, View
from tests.unit.project import SHOP, Project

NEEDS = "needs: {docs: {service: mongodb, name: shop_db}}\n"
HOSTS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "web1": (["web"], {"address": "192.168.2.1"}),
    "db1": (["mongodb"], {"address": "192.168.2.9"}),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with MongoDB's repository, and an application that needs the server."""
    project = Project(tmp_path)
    key = project.write("key.asc", f"{ARMOR}\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----\n")
    source = {
        "url": "https://repo.mongodb.org/apt/debian", "suite": "bookworm/mongodb-org/8.0",
        "components": ["main"], "key": str(key), "packages": ["mongodb-*"],
    }  # fmt: skip
    project.all = {"base": {"apt_sources": {"mongodb": source}}}
    project.app("shop", NEEDS)
    project.hosts = {"web1": (["web", "mongodb"], {})}
    return project


def files(project: Project, host: str) -> dict[str, str]:
    brought = project.settings(host).brought.roles["mongodb"]
    return {item.path: item.data.decode() for item in brought.files if isinstance(item, File)}


def test_logins_are_asked_for_and_nothing_but_the_host_reaches_it(project: Project) -> None:
    values = yaml.safe_load(files(project, "web1")[builders.CONFIGURATION])
    assert values["security"]["authorization"] == "enabled"
    assert values["security"]["javascriptEnabled"] is False
    assert values["setParameter"]["enableLocalhostAuthBypass"] is False
    assert values["net"]["bindIp"] == "127.0.0.1"
    assert values["net"]["port"] == 27017
    assert "tls" not in values["net"]
    assert values["net"]["unixDomainSocket"]["pathPrefix"] == "/run/mongodb"
    assert values["storage"]["wiredTiger"]["engineConfig"]["cacheSizeGB"] == 0.5
    unit = files(project, "web1")[builders.DROP_IN]
    assert f"ExecStart=\nExecStart=/usr/bin/mongod --config {builders.CONFIGURATION}\n" in unit
    assert "\nIPAddressAllow=localhost\n" in unit
    assert "\nMemoryMax=1024M\n" in unit


def test_other_hosts_reach_it_by_tls_at_its_private_address(project: Project) -> None:
    project.hosts = HOSTS
    values = yaml.safe_load(files(project, "db1")[builders.CONFIGURATION])
    assert values["net"]["bindIp"] == "127.0.0.1,192.168.2.9"
    assert values["net"]["tls"] == {
        "mode": "preferTLS", "certificateKeyFile": builders.BUNDLE, "CAFile": builders.CERTIFICATE,
        "allowConnectionsWithoutCertificates": True,
    }  # fmt: skip
    assert "\nIPAddressAllow=localhost 192.168.2.1\n" in files(project, "db1")[builders.DROP_IN]
    brought = project.settings("db1").brought
    [port] = brought.roles["mongodb"].ports
    assert (port.number, port.opened, port.public) == (27017, ("192.168.2.1",), True)
    [state] = brought.states
    assert state.request["certificate"]["names"] == ["192.168.2.9"]


def test_a_public_address_may_be_another_machine_s(project: Project) -> None:
    project.hosts = {**HOSTS, "db1": (["mongodb"], {"address": "8.8.8.8"})}
    values = yaml.safe_load(files(project, "db1")[builders.CONFIGURATION])
    assert values["net"]["bindIp"] == "*"


def test_the_server_for_logins_has_no_network_and_no_login(project: Project) -> None:
    project.hosts = HOSTS
    project.all["mongodb"] = {
        "parameters": {"storage.directoryPerDB": True, "replication.replSetName": "rs0"}
    }
    values = yaml.safe_load(files(project, "db1")[builders.SETUP])
    assert values["net"] == {
        "bindIp": "127.0.0.1", "port": 27017, "unixDomainSocket": {"enabled": False},
    }  # fmt: skip
    assert "authorization" not in values["security"]
    assert "replication" not in values
    assert values["storage"]["dbPath"] == "/var/lib/mongodb"
    assert values["storage"]["directoryPerDB"] is True


def test_sizes_and_what_replaces_them() -> None:
    small = MongodbSettings().profile
    assert (small.memory_max, small.cache, small.max_connections) == (1024, 512, 200)
    chosen = MongodbSettings(size="large", memory_max="6G", cache="5G", max_connections=1000)
    assert (chosen.profile.memory_max, chosen.profile.cache) == (6144, 5120)
    assert chosen.most_connections("") == 995
    for wrong, reason in (
        ({"max_connections": 10, "reserved_connections": 10}, "leaves no connection"),
        ({"cache": "100M"}, "256M or more"),
        ({"cache": "1G"}, "smaller than memory_max"),
    ):
        with pytest.raises(ValidationError, match=reason):
            MongodbSettings.model_validate(wrong)


def test_parameters_are_added_replaced_and_left_out() -> None:
    given: dict[str, Any] = {
        "operationProfiling.slowOpThresholdMs": None,
        "net.compression.compressors": "zstd",
        "net.ipv6": True,
    }
    text = builders.text(builders.parameters(MongodbSettings(parameters=given), []))
    values = yaml.safe_load(text)
    assert "operationProfiling" not in values
    assert values["net"]["compression"] == {"compressors": "zstd"}
    assert values["net"]["ipv6"] is True
    for name, reason in (
        ("security.authorization", "always on"),
        ("setParameter.enableLocalhostAuthBypass", "anybody on the host"),
        ("net", "String should match"),
        ("net.a: b", "String should match"),
    ):
        with pytest.raises(ValidationError, match=reason):
            MongodbSettings.model_validate({"parameters": {name: "disabled"}})


def test_a_repository_must_provide_it(project: Project) -> None:
    project.all["base"]["apt_sources"]["mongodb"]["packages"] = ["mongodb-org-*"]
    told = [message for _, key, message in project.errors() if key == "mongodb"]
    assert told == ["Debian has no mongodb-mongosh: name its repository in base.apt_sources"]
    project.all["backup"] = {"targets": {"one": {"type": "directory", "path": "/mnt"}}}
    told = [message for _, key, message in project.errors() if key == "mongodb"]
    assert any("mongodb-database-tools" in message for message in told)
    # Hosts without it need no repository.
    project.hosts = {"web1": (["web"], {})}
    project.write("apps/shop.yml", SHOP)
    project.all = {}
    assert project.settings("web1").brought.foreign == []


@pytest.mark.parametrize(
    ("location", "url"),
    [
        (
            Location("127.0.0.1", local=True, socket=True, ca=""),
            "%2Frun%2Fmongodb%2Fmongodb-27017.sock/shop_db?authSource=admin",
        ),
        (
            Location("127.0.0.1", local=True, socket=False, ca=""),
            "127.0.0.1:27017/shop_db?authSource=admin",
        ),
        (
            Location("2001:db8::1", local=False, socket=False, ca="/ca.pem"),
            "[2001:db8::1]:27017/shop_db?authSource=admin&tls=true&tlsCAFile=/ca.pem",
        ),
    ],
)
def test_the_url_says_how_to_connect(project: Project, location: Location, url: str) -> None:
    settings = project.settings()
    [binding] = settings.place.provides
    endpoint = settings.mongodb.endpoint(binding, location, Login("u", "p"))
    assert endpoint.parts["url"] == f"mongodb://u:p@{url}"
    assert bool(endpoint.answers) is not location.local
    assert bool(endpoint.units) is location.local


def test_names_of_the_server_and_settings_of_others_are_refused(project: Project) -> None:
    need = "{service: mongodb, name: admin, prefix: p, extensions: [x]}"
    project.write("apps/shop.yml", f"{SHOP}needs: {{docs: {need}}}\n")
    told = {key.rpartition(".")[2]: message for _, key, message in project.errors()}
    assert told["name"].endswith("admin is MongoDB's own")
    assert told["prefix"].endswith("is not for MongoDB")
    assert told["extensions"].endswith("is not for MongoDB")


def test_the_client_s_arguments_have_no_password(project: Project) -> None:
    settings = project.settings()
    [binding] = settings.place.provides
    words = settings.mongodb.client(binding)
    assert words[:2] == ["env", "GROUNDCREW_DATABASE=shop_db"]
    script = files(project, "web1")[words[-1]]
    assert f"{on_host.administrator()}/active/" in script
    [entry] = [item for item in settings.brought.files
               if isinstance(item, File) and item.path == words[-1]]  # fmt: skip
    assert (entry.user, entry.mode) == ("root", "0600")


def stored(password: str) -> dict[str, Any]:
    """What the server stores of a password (RFC 7677)."""
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 15000)
    key = hashlib.sha256(hmac.new(salted, b"Client Key", "sha256").digest()).digest()
    told = {"iterationCount": 15000, "salt": base64.b64encode(salt).decode(),
            "storedKey": base64.b64encode(key).decode()}  # fmt: skip
    return {"SCRAM-SHA-256": told}


def test_the_stored_form_of_a_password() -> None:
    user = {"credentials": stored("password")}
    assert on_host.has_password(user, "password")
    assert not on_host.has_password(user, "another")
    assert not on_host.has_password({}, "password")
    user["credentials"]["SCRAM-SHA-1"] = {}
    assert not on_host.has_password(user, "password")


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setattr(credentials, "FOLDER", str(tmp_path / "credentials"))
    store = str(tmp_path / "credentials/mongodb/shop.docs")
    credentials.make_logins(store, "shop_docs")
    return [{"app": "shop", "account": "shop_docs", "database": "shop_db", "store": store}]


def state_of(accounts: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """A server in which everything is as it should be."""
    return {
        login.user: {
            "user": login.user,
            "credentials": stored(login.password),
            "roles": on_host.roles(account["database"]),
        }
        for account in accounts
        for login in credentials.logins(account["store"], account["account"])
        if login.enabled
    }


def test_nothing_differs(accounts: list[dict[str, Any]]) -> None:
    there = {"somebody": {"user": "somebody"}, **state_of(accounts)}
    assert on_host.changes(accounts, there) == []


def test_a_new_login_reaches_its_own_database_alone(accounts: list[dict[str, Any]]) -> None:
    [(line, command)] = on_host.changes(accounts, {})
    assert line == "no login shop_docs_a"
    assert (command.db, command.command["createUser"]) == ("admin", "shop_docs_a")
    assert {item["db"] for item in command.command["roles"]} == {"shop_db"}
    assert command.command["mechanisms"] == ["SCRAM-SHA-256"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"credentials": stored("another")}, "another password of shop_docs_a"),
        ({"roles": [{"role": "root", "db": "admin"}]}, "shop_docs_a may do something other"),
        ({"roles": []}, "shop_docs_a may do something other than use shop_db"),
    ],
)
def test_a_login_that_differs(
    accounts: list[dict[str, Any]], change: dict[str, Any], line: str
) -> None:
    there = state_of(accounts)
    there["shop_docs_a"].update(change)
    [(told, command)] = on_host.changes(accounts, there)
    assert told.startswith(line)
    assert command.command["updateUser"] == "shop_docs_a"
    [login, _] = credentials.logins(accounts[0]["store"], "shop_docs")
    assert login.password not in told


def test_both_logins_work_while_a_password_is_rotated(accounts: list[dict[str, Any]]) -> None:
    there = state_of(accounts)
    credentials.rotate_logins(accounts[0]["store"], "shop_docs")
    assert [line for line, _ in on_host.changes(accounts, there)] == ["no login shop_docs_b"]
    there = state_of(accounts)
    credentials.finish_rotation(accounts[0]["store"])
    [(_, command)] = on_host.changes(accounts, there)
    assert command.command == {"dropUser": "shop_docs_a"}


def test_a_login_that_nobody_needs_goes_and_its_data_stays(accounts: list[dict[str, Any]]) -> None:
    commands = [item.command for _, item in on_host.changes([], state_of(accounts))]
    assert commands == [{"dropUser": "shop_docs_a"}]


def test_what_the_program_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {"replies": [{"ok": 1.0}]}
    seen: list[Any] = []

    def run(words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        seen.append((words, options))
        return subprocess.CompletedProcess(words, 0, json.dumps(told), "")

    monkeypatch.setattr(subprocess, "run", run)
    login, commands = ("user", "a-password"), [Command("admin", {"ping": 1})]
    assert on_host_client.ask("/run/s.sock", login, commands) == [{"ok": 1.0}]
    words, options = seen[0]
    assert "a-password" not in " ".join(words)
    assert json.loads(options["input"])["login"] == ["user", "a-password"]
    told = {"error": "Authentication failed.", "refused": True}
    with pytest.raises(RefusedError, match="Authentication failed"):
        on_host_client.ask("/run/s.sock", login, commands)
    told = {"error": "connection refused", "refused": False}
    with pytest.raises(ServerError, match="connection refused"):
        on_host_client.ask("/run/s.sock", login, commands)
    compile(on_host_client.PROGRAM, "program", "exec")


def test_a_server_that_answers_nobody_without_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise RefusedError("requires authentication")

    request = {"socket": "/run/s.sock"}
    monkeypatch.setattr(on_host, "ask", refuses)
    assert on_host.open_to_anybody(request) is False
    assert on_host.listens("/run/s.sock") is True
    monkeypatch.setattr(on_host, "ask", lambda *_, **__: [{"users": []}])
    assert on_host.open_to_anybody(request) is True


REPORT: Server = {
    "differences": [], "open": False, "version": "8.0.4", "used": 3, "cache": 1 << 26,
    "cache_allowed": 1 << 29, "memory": 1 << 27, "databases": {"old": 1 << 20, "shop_db": 0},
    "unbound": ["old"], "rotating": [],
}  # fmt: skip


def results(**changed: Any) -> list[tuple[str, str]]:
    seen = Seen(View("192.0.2.1"), {"mongodb": {**REPORT, **changed}})
    return [(item.status, item.detail) for item in database_server(MongodbSettings(), seen)]


def test_verify_says_that_authentication_is_off() -> None:
    assert results() == [("ok", "8.0.4, 3 of 195 connections")]
    [(state, text)] = results(open=True)
    assert state == "fail"
    assert "authentication is off" in text
    assert [state for state, _ in results(used=190, rotating=["shop_docs"])] == [
        "ok", "warn", "warn",
    ]  # fmt: skip


def test_the_status_tells_cache_connections_and_what_nobody_needs() -> None:
    assert list(status(MongodbSettings(), REPORT)) == [
        "mongodb 8.0.4: 3 of 200 connections, cache 64 MiB of 512 MiB, memory 128 MiB",
        "  old: 1 MiB, needed by no application",
        "  shop_db: 0 B",
    ]
