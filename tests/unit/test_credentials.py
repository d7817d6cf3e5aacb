"""Logins of bindings on hosts: made up once, rotated, copied, and put into releases that are
kept."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote import (
    await_services,
    credentials,
    give_login,
    refresh_logins,
    self_signed,
    server_state,
    take_logins,
)
from groundcrew.remote.credentials import (
    account_of,
    active_login,
    digest,
    finish_rotation,
    logins,
    make_logins,
    rotate_logins,
    rotating,
    stores,
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "groundcrew" / "credentials"
    monkeypatch.setattr(credentials, "FOLDER", str(folder))
    return str(folder / "postgresql" / "shop.database")


def test_they_are_made_up_once_and_only_root_reads_them(store: str) -> None:
    assert logins(store, "shop_database") == []
    assert active_login(store) is None
    make_logins(store, "shop_database")
    first = logins(store, "shop_database")
    make_logins(store, "shop_database")
    assert logins(store, "shop_database") == first
    assert [(item.user, item.enabled) for item in first] == [
        ("shop_database_a", True),
        ("shop_database_b", False),
    ]
    assert len({item.password for item in first}) == 2
    assert all(len(item.password) == 40 and item.password.isalnum() for item in first)
    for root, folders, files in os.walk(credentials.FOLDER):
        assert all(Path(root, name).stat().st_mode & 0o077 == 0 for name in (*folders, *files))
    assert stores("postgresql") == [store]
    assert account_of(store) == "shop_database"
    assert stores("mariadb") == []


def test_a_rotation_lets_both_work_until_it_ends(store: str) -> None:
    make_logins(store, "shop_database")
    old = active_login(store)
    before = logins(store, "shop_database")
    rotate_logins(store, "shop_database")
    new = active_login(store)
    assert old
    assert new
    assert new[0] == "shop_database_b"
    assert new[1] != before[1].password
    assert [item.enabled for item in logins(store, "shop_database")] == [True, True]
    # One that was interrupted goes on with what it has begun with.
    rotate_logins(store, "shop_database")
    assert active_login(store) == new
    # Also if the new login was not active yet.
    credentials.point_at(store, "a")
    rotate_logins(store, "shop_database")
    assert active_login(store) == new
    assert rotating(store)
    finish_rotation(store)
    finish_rotation(store)
    assert not rotating(store)
    assert [item.enabled for item in logins(store, "shop_database")] == [False, True]
    rotate_logins(store, "shop_database")
    again = active_login(store)
    assert again
    assert again[0] == "shop_database_a"
    assert again[1] != old[1]


def test_another_host_gets_a_copy(
    store: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_logins(store, "shop_database")
    certificate = tmp_path / "tls.crt"
    asked = {"store": store, "certificate": str(certificate)}
    for expected in (1, 0):
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(asked)))
        assert give_login.main() == expected
        certificate.write_text("a certificate")
    given = json.loads(capsys.readouterr().out)
    copy = f"{credentials.FOLDER}/copy/shop.database"
    ca = tmp_path / "etc" / "authorities" / "postgresql-db1.pem"
    assert digest(copy, str(ca)) is None
    monkeypatch.setattr(
        sys, "stdin", io.StringIO(json.dumps([{**given, "store": copy, "ca": str(ca)}]))
    )
    (tmp_path / "etc").mkdir()
    assert take_logins.main() == 0
    assert active_login(copy) == active_login(store)
    assert ca.read_text() == "a certificate"
    assert ca.stat().st_mode & 0o777 == 0o644
    assert digest(copy, str(ca)) == digest(store, str(certificate)) != digest(store, None)


def test_kept_releases_get_the_new_login(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_logins(store, "shop_database")
    user, password = active_login(store) or ("", "")
    release = tmp_path / "releases" / "20260101T000000Z-aaaaaaaaaaaa"
    (release / "app").mkdir(parents=True)
    env, config = release / "env", release / "app" / "config.ini"
    env.write_text(f"URL={user}:{password}@x\n")
    config.write_text(f"{password}\n")
    env.chmod(0o600)
    config.chmod(0o640)
    # What an application could have put there is not touched.
    (release / "app" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text(password)
    twice = release / "app" / "twice"
    twice.write_text(password)
    os.link(twice, tmp_path / "other")
    rotate_logins(store, "shop_database")
    new_user, new = active_login(store) or ("", "")
    request = {"releases": [str(tmp_path / "releases"), "/nowhere"], "stores": [store]}
    monkeypatch.setattr(sys, "argv", ["", json.dumps(request)])
    assert refresh_logins.main() == 0
    assert capsys.readouterr().out == "2\n"
    assert env.read_text() == f"URL={new_user}:{new}@x\n"
    assert config.read_text() == f"{new}\n"
    assert (env.stat().st_mode & 0o777, config.stat().st_mode & 0o777) == (0o600, 0o640)
    assert (tmp_path / "elsewhere").read_text() == twice.read_text() == password


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A server that contains what it was asked to."""
    server = types.SimpleNamespace(content=[], error=None)

    def differences(request: dict[str, Any]) -> list[str]:
        if server.error:
            raise OSError(server.error)
        return [f"no {item}" for item in request["wanted"] if item not in server.content]

    def converge(request: dict[str, Any]) -> None:
        if server.error:
            raise OSError(server.error)
        server.content += request["wanted"]

    fake = types.ModuleType("fake_server")
    vars(fake).update(differences=differences, converge=converge)
    monkeypatch.setitem(sys.modules, "fake_server", fake)
    return server


def test_servers_contain_what_they_should(
    module: types.SimpleNamespace,
    store: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(converge: bool, rotate: bool = False) -> tuple[int, dict[str, Any], str]:
        request = {
            "converge": converge,
            "states": [{"title": "fake", "module": "fake_server", "request": {"wanted": ["x"]}}],
            "logins": [{"store": store, "certificate": None}],
            "rotate": [{"store": store, "account": "shop_database"}] if rotate else [],
            "finish": [],
            "purge": None,
        }
        monkeypatch.setattr(sys, "argv", ["", json.dumps(request)])
        status = server_state.main()
        told = capsys.readouterr()
        return status, json.loads(told.out) if told.out else {}, told.err

    assert run(converge=False)[1] == {"differences": {"fake": ["no x"]}, "digests": {store: None}}
    assert run(converge=True)[0] == 0
    make_logins(store, "shop_database")
    before = run(converge=False)[1]
    assert before["differences"] == {"fake": []}
    assert run(converge=True, rotate=True)[1]["digests"] != before["digests"]
    module.error = "down"
    assert run(converge=False)[1]["differences"] == {"fake": ["OSError: down"]}
    assert run(converge=True)[::2] == (1, "fake: down\n")


def test_a_server_that_keeps_differing_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = types.ModuleType("fake_server")
    vars(fake).update(differences=lambda _: ["no x"], converge=lambda _: None)
    monkeypatch.setitem(sys.modules, "fake_server", fake)
    request = {
        "converge": True, "rotate": [], "finish": [], "purge": None, "logins": [],
        "states": [{"title": "fake", "module": "fake_server", "request": {}}],
    }  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["", json.dumps(request)])
    assert server_state.main() == 1
    assert "fake still differs: no x" in capsys.readouterr().err


def test_what_a_server_says_cannot_draw_on_the_terminal(
    module: types.SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module.error = "\x1b[2Jno such table"
    request = {
        "converge": True, "rotate": [], "finish": [], "purge": None, "logins": [],
        "states": [{"title": "fake", "module": "fake_server", "request": {"wanted": []}}],
    }  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["", json.dumps(request)])
    assert server_state.main() == 1
    told = capsys.readouterr().err
    assert "no such table" in told
    assert "\x1b" not in told


def test_certificates_for_other_hosts(tmp_path: Path) -> None:
    wanted = {
        "file": str(tmp_path / "tls.crt"), "key": str(tmp_path / "tls.key"), "group": "root",
        "names": ["10.0.0.9", "db1.example.org"],
    }  # fmt: skip
    assert self_signed.certificate_differences(None) == []
    assert self_signed.certificate_differences(wanted) == ["no certificate"]
    self_signed.make_certificate(wanted)
    assert self_signed.certificate_differences(wanted) == []
    assert (tmp_path / "tls.key").stat().st_mode & 0o777 == 0o640
    text = subprocess.run(
        ["openssl", "x509", "-in", str(wanted["file"]), "-noout", "-text"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "IP Address:10.0.0.9, DNS:db1.example.org" in text
    moved = {**wanted, "names": ["10.0.0.10"]}
    assert self_signed.certificate_differences(moved) == [
        "the certificate is not for 10.0.0.10, or expires soon"
    ]


def test_waiting_for_services_of_other_hosts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(await_services, "PAUSE", 0.05)
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    done = threading.Event()

    def wait() -> None:
        await_services.main([f"127.0.0.1:{port}"])
        done.set()

    threading.Thread(target=wait, daemon=True).start()
    assert not done.wait(0.3)
    with socket.create_server(("127.0.0.1", port)):
        assert done.wait(10)
    assert capsys.readouterr().out == f"waiting for 127.0.0.1:{port}\n"
