"""Backups of MongoDB: what the role brings for them, and what its programs are given."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from groundcrew.remote.backup_source import Scratch, SourceError
from groundcrew.roles.mongodb import (
    on_host_backup,
    on_host_scratch,
    on_host_setup,
    on_host_tools,
)
from groundcrew.roles.mongodb.on_host_client import Command, ServerError
from tests.unit.project import Project
from tests.unit.test_role_mongodb import project

__all__ = ["project"]
SECRET = "a-password"
LOGIN = ("groundcrew_a", SECRET)
REQUEST = {
    "socket": "/run/mongodb/mongodb-27017.sock",
    "port": 27017,
    "accounts": [
        {"app": "shop", "account": "shop_docs", "database": "shop_db", "store": "/s"},
        {"app": "blog", "account": "blog_docs", "database": "blog_db", "store": "/b"},
    ],
    "alone": {"net.port": 27017, "net.bindIp": "127.0.0.1", "storage.dbPath": "/var/lib/mongodb"},
}
Ran = list[tuple[list[str], dict[str, Any]]]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Programs end like this; they are noted, with the file that has the password."""

    def programs(code: int = 0, out: str = "", err: bytes = b"") -> Ran:
        noted: Ran = []

        def run(words: list[str], **options: Any) -> subprocess.CompletedProcess[Any]:
            config = [word.partition("=")[2] for word in words if word.startswith("--config=")]
            if config and config[0].startswith(on_host_tools.PASSWORDS):
                options["config"] = json.loads(Path(config[0]).read_text())
            noted.append((words, options))
            return subprocess.CompletedProcess(words, code, out, err)

        monkeypatch.setattr(subprocess, "run", run)
        for module in (on_host_tools, on_host_setup):
            monkeypatch.setattr(module, "run", lambda *_: None)
        return noted

    return programs


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_host_tools, "PASSWORDS", str(tmp_path / "passwords"))
    monkeypatch.setattr(on_host_backup, "BEFORE", str(tmp_path / "before"))
    monkeypatch.setattr(on_host_backup, "make_folder", made)
    monkeypatch.setattr(on_host_backup, "login", lambda: LOGIN)


def made(path: str, *_: Any) -> str:
    Path(path).mkdir(parents=True, exist_ok=True)
    return path


def test_every_database_of_an_application_is_saved(project: Project) -> None:
    project.all["mongodb"] = {"parameters": {"storage.directoryPerDB": True}}
    assert not project.settings().brought.backups
    project.all["backup"] = {"targets": {"one": {"type": "directory", "path": "/mnt"}}}
    brought = project.settings().brought
    [source] = brought.backups
    assert (source.title, source.apps) == ("mongodb", ("shop",))
    assert [item["database"] for item in source.request["accounts"]] == ["shop_db"]
    assert source.request["alone"]["storage.directoryPerDB"] is True
    assert "security.authorization" not in source.request["alone"]
    assert "mongodb-database-tools" in brought.packages


def test_no_argument_has_the_password(ran: Callable[..., Ran]) -> None:
    noted = ran()
    on_host_tools.dump(REQUEST["socket"], LOGIN, "shop_db", io.BytesIO())  # type: ignore[arg-type]
    on_host_tools.load("/run/s.sock", LOGIN, "shop_db", "/archive")
    (dump, options), (load, _) = noted
    assert SECRET not in " ".join([*dump, *load])
    assert options["config"] == {"password": SECRET}
    assert "--uri=mongodb://groundcrew_a@%2Frun%2Fs.sock/?authSource=admin" in load
    assert "--nsInclude=shop_db.*" in load
    [seen] = [word for word in load if word.startswith("--property=BindReadOnlyPaths=")]
    assert seen.endswith(" /archive")
    assert not list(Path(on_host_tools.PASSWORDS).iterdir())


def test_why_a_program_failed(ran: Callable[..., Ran]) -> None:
    lines = b"2026-11-29T09:12:37.821+0000\tFailed: can't create session: no\nwhat follows\n"
    ran(code=1, err=lines)
    with pytest.raises(SourceError, match="mongodump: Failed: can't create session: no"):
        on_host_tools.dump("/run/s.sock", LOGIN, "shop_db", io.BytesIO())
    assert on_host_tools.reason(b"plain\n") == "plain"
    assert on_host_tools.reason(b"") == ""


def test_logins_are_made_where_nobody_is(ran: Callable[..., Ran]) -> None:
    noted = ran(out=json.dumps({"replies": []}))
    commands = [Command("admin", {"createUser": "groundcrew_a", "pwd": SECRET})]
    on_host_setup.in_private("/etc/setup.conf", 27017, "/var/lib/mongodb", commands)
    [(words, options)] = noted
    assert {"--property=PrivateNetwork=yes", "--property=User=mongodb"} <= {*words}
    assert SECRET not in " ".join(words)
    asked = json.loads(options["input"])
    assert asked["server"] == ["/usr/bin/mongod", "--config", "/etc/setup.conf"]
    assert asked["login"] is None
    ran(code=1, err="mongod does not start\n")
    with pytest.raises(ServerError, match="does not start"):
        on_host_setup.in_private("/etc/setup.conf", 27017, "/var/lib/mongodb", commands)


def test_a_scratch_server_asks_for_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: dict[str, str] = {}
    monkeypatch.setattr(on_host_scratch, "write", lambda path, text: written.update({path: text}))
    monkeypatch.setattr(on_host_scratch, "make_folder", lambda path, *_: path)
    monkeypatch.setattr(on_host_scratch, "in_private", lambda *_: None)
    monkeypatch.setattr(on_host_scratch, "administrators", list)
    monkeypatch.setattr(on_host_scratch, "changes", lambda *_: [])
    monkeypatch.setattr(on_host_scratch, "start_unit", lambda *_: "unit")
    monkeypatch.setattr(on_host_scratch, "listens", lambda _: True)
    monkeypatch.setattr(on_host_scratch, "login", lambda: LOGIN)
    monkeypatch.setattr(on_host_scratch, "ask", lambda *_: [{"version": "8.0.4"}])
    for name in ("pwd", "grp"):
        monkeypatch.setattr(on_host_scratch, name, Users)
    scratch = Scratch(str(tmp_path), "test", "/run/netns/x", "scratch.slice")
    assert on_host_scratch.start(REQUEST, scratch) == "8.0.4"
    setup, live = (yaml.safe_load(written[f"{tmp_path}/{name}.conf"])
                   for name in ("setup", "mongod"))  # fmt: skip
    assert setup["storage"]["dbPath"] == live["storage"]["dbPath"] == f"{tmp_path}/data"
    assert "security" not in setup
    assert live["security"]["authorization"] == "enabled"
    assert live["net"]["unixDomainSocket"]["pathPrefix"] == f"{tmp_path}/run"
    assert live["net"]["port"] == 27017


class Users:
    """Stands for the host's users and groups."""

    pw_uid = gr_gid = 0

    @classmethod
    def getpwnam(cls, _: str) -> type[Users]:
        return cls

    getgrnam = getpwnam


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of two databases, and a dump that writes which one it was asked for."""

    def dump(socket: str, _: Any, database: str, output: Any) -> None:
        output.write(f"{socket} {database}".encode())
        output.flush()

    monkeypatch.setattr(on_host_backup, "COPIES", "/copies")
    monkeypatch.setattr(on_host_backup, "dump", dump)
    home = on_host_backup.home
    monkeypatch.setattr(on_host_backup, "home", lambda below=str(tmp_path): home(below))
    saved = on_host_backup.save(REQUEST, "logs")
    assert saved.paths == [str(tmp_path / "copies/mongodb")]
    return tmp_path / "copies/mongodb"


def test_copies_are_whole_or_refused(tmp_path: Path, copies: Path) -> None:
    assert sorted(item.name for item in copies.iterdir()) == [
        "blog_db.archive", "groundcrew.json", "shop_db.archive",
    ]  # fmt: skip
    archive = copies / "shop_db.archive"
    assert archive.stat().st_mode & 0o777 == 0o600
    assert sorted(on_host_backup.about(str(tmp_path))["sizes"]) == ["blog_db", "shop_db"]
    archive.write_bytes(b"short")
    with pytest.raises(SourceError, match="has 5 of"):
        on_host_backup.about(str(tmp_path))
    archive.unlink()
    with pytest.raises(SourceError, match="there are no copies"):
        on_host_backup.about(str(tmp_path))


def test_a_copy_of_a_database_that_is_gone_is_removed(copies: Path) -> None:
    request = {**REQUEST, "accounts": REQUEST["accounts"][:1]}  # type: ignore[index]
    on_host_backup.save(request, "daily")
    assert not (copies / "blog_db.archive").exists()


def test_what_a_restore_replaces_is_kept_once(
    tmp_path: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(
        on_host_backup, "ask", lambda _, __, commands: done.append(f"drop {commands[0].db}")
    )
    monkeypatch.setattr(
        on_host_backup, "load", lambda *given: done.append(Path(given[3]).read_text())
    )
    scratch = Scratch(str(tmp_path), "test", "", "")
    (tmp_path / "databases.json").write_text('["shop_db"]')
    for _ in range(2):
        on_host_backup.put_back(REQUEST, "shop", scratch, "mark")
    assert done == ["drop shop_db", f"{tmp_path}/run/mongodb-27017.sock shop_db"] * 2
    kept = tmp_path / "before/mark/mongodb/shop_db.archive"
    assert kept.read_text() == f"{REQUEST['socket']} shop_db"
    assert [item.name for item in kept.parent.iterdir()] == [kept.name]
    with pytest.raises(SourceError, match="the copies have no database blog_db"):
        on_host_backup.put_back(REQUEST, "blog", scratch, "mark")
    on_host_backup.forget(REQUEST, "shop", "mark")
    assert not (tmp_path / "before/mark").exists()
    assert copies.exists()
