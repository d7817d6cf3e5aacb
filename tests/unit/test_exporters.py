"""Units of the exporters that roles bring, and the logins that they have."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import pytest

from groundcrew.contract import Brings
from groundcrew.entries import File, Link
from groundcrew.remote import credentials, exporter_login
from groundcrew.roles.mariadb import on_host as on_host_mariadb
from groundcrew.roles.metrics import exporters
from groundcrew.roles.nginx import traffic
from groundcrew.roles.postgresql import on_host as on_host_postgresql
from groundcrew.roles.redis import on_host_logins
from tests.unit.project import Project
from tests.unit.test_role_metrics import monitored

SERVERS = ("postgresql", "mariadb", "redis")
TRAFFIC = traffic.exporter(3903)


def with_servers(project: Project) -> Project:
    monitored(project).hosts["web1"] = (["web", *SERVERS], {"address": "10.0.0.1"})
    return project


def brought(project: Project, role: str = "metrics") -> Brings:
    return with_servers(project).settings().brought.roles[role]


def units(project: Project) -> dict[str, str]:
    """The text of each exporter's unit."""
    return {
        item.path.rpartition("/")[2]: item.data.decode()
        for item in brought(project).first_files
        if isinstance(item, File) and "groundcrew-metrics-" in item.path
    }


def test_each_server_has_one_and_the_packages_units_never_run(project: Project) -> None:
    assert set(units(project)) == {
        f"groundcrew-metrics-{name}.service"
        for name in ("traffic", "postgresql", "mariadb", "redis-cache", "redis-queue")
    }
    brings = brought(project)
    masked = [item.path for item in brings.first_files if isinstance(item, Link)]
    assert len(masked) == 4
    assert all(item.target == "/dev/null" for item in brings.first_files if isinstance(item, Link))
    ports = {port.rule: (port.number, port.opened) for port in brings.ports}
    assert ports["metrics-redis-queue"] == (9122, ("10.0.0.9",))
    # Others of the host may not ask, and not tell it to end.
    assert all(port.users == ("root", "prometheus") for port in brings.ports[2:])


def test_servers_of_hosts_that_are_not_monitored_have_none(project: Project) -> None:
    with_servers(project)
    del project.hosts["mon1"]
    roles = project.settings().brought.roles
    assert not [role for role, item in roles.items() if item.exporters]
    for role in SERVERS:
        request = str(roles[role].states[0].request)
        assert "groundcrew_metrics" not in request


def test_it_listens_where_monitoring_reads_it() -> None:
    one = exporters.unit_text(TRAFFIC, ["[fd00::1]"], ["fd00::9"])
    assert "--address=fd00::1 --port=3903" in one
    assert "\nIPAddressAllow=localhost fd00::9\n" in one
    # It can listen at one address or at all.
    assert "--address= --port=3903" in exporters.unit_text(TRAFFIC, ["127.0.0.1", "10.0.0.1"], [])


def test_it_sees_nothing_but_what_it_reads(project: Project) -> None:
    for name, text in units(project).items():
        assert "\nDynamicUser=yes\n" in text
        assert "\nUser=" not in text
        assert "\nTemporaryFileSystem=/var/log:ro\n" in text
        assert ("SupplementaryGroups" in text) == (name == "groundcrew-metrics-traffic.service")
        assert not re.search("password", text)


def test_no_password_is_in_a_request_or_an_argument(project: Project) -> None:
    roles = with_servers(project).settings().brought.roles
    for role in SERVERS:
        request = roles[role].states[0].request
        exporter_request = request.get("exporter") or request["instances"][0]["exporter"]
        assert "{password}" in exporter_request["text"]
        assert exporter_request["account"] == "groundcrew_metrics"


@pytest.fixture
def exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(credentials, "FOLDER", str(tmp_path / "credentials"))
    return {
        "unit": "x.service",
        "unit_file": str(tmp_path / "unit"),
        "files": [str(tmp_path / "queries")],
        "file": str(tmp_path / "login"),
        "text": "USER={user}\nPASSWORD={password}\n",
        "store": str(tmp_path / "credentials/metrics/x"),
        "account": "groundcrew_metrics",
    }


def test_its_login_is_written_for_root_alone_and_it_is_started_once(
    exporter: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(exporter_login, "bring_up", lambda unit, _: started.append(unit))
    monkeypatch.setattr(exporter_login, "unit_differences", lambda *_: [])
    assert exporter_login.exporter_differences(exporter) == ["no login for metrics"]
    exporter_login.make_exporter_login(exporter)
    assert exporter_login.exporter_differences(exporter) == ["the login for metrics differs"]
    exporter_login.start_exporter(exporter)
    exporter_login.start_exporter(exporter)
    assert started == ["x.service"]
    login = exporter_login.exporter_login(exporter)
    assert login
    file = Path(exporter["file"])
    assert file.read_text() == f"USER=groundcrew_metrics_a\nPASSWORD={login.password}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.setattr(exporter_login, "unit_differences", lambda *_: ["it does not run"])
    assert exporter_login.exporter_differences(exporter) == ["it does not run"]


def test_without_monitoring_there_is_nothing_to_do() -> None:
    exporter_login.make_exporter_login(None)
    exporter_login.start_exporter(None)
    assert exporter_login.exporter_login(None) is None
    assert exporter_login.exporter_differences(None) == []


def test_postgresql_lets_it_read_figures_alone(exporter: dict[str, Any]) -> None:
    exporter_login.make_exporter_login(exporter)
    request = {"accounts": [], "exporter": exporter}
    state: dict[str, Any] = {"roles": {}, "databases": {}}
    changes = on_host_postgresql.changes(request, state)
    assert [line for line, _ in changes] == [
        "no login groundcrew_metrics_a",
        "groundcrew_metrics_a may not read the server's figures",
        "groundcrew_metrics_a: LOGIN",
        "groundcrew_metrics_a: at most 3 connections",
    ]
    login = exporter_login.exporter_login(exporter)
    assert login
    assert not any(login.password in statement for _, statement in changes)
    state["roles"][login.user] = {
        "login": True, "of": ["pg_monitor"], "connections": 3,
        "password": on_host_postgresql.verifier(login.password, b"0123456789abcdef"),
    }  # fmt: skip
    assert on_host_postgresql.changes(request, state) == []


def test_mariadb_lets_it_connect_and_nothing_else(exporter: dict[str, Any]) -> None:
    exporter_login.make_exporter_login(exporter)
    request = {"accounts": [], "exporter": exporter}
    state: dict[str, Any] = {"users": {}, "grants": set(), "others": set(), "databases": set()}
    made, limited = on_host_mariadb.changes(request, state)
    assert made[1].startswith("CREATE USER 'groundcrew_metrics_a'@'localhost' IDENTIFIED VIA")
    assert limited[1].endswith("WITH MAX_USER_CONNECTIONS 3")
    login = exporter_login.exporter_login(exporter)
    assert login
    user = {
        "access": 0, "plugin": "mysql_native_password", "max_user_connections": 3,
        "authentication_string": on_host_mariadb.hashed(login.password),
    }  # fmt: skip
    state["users"][login.user, "localhost"] = user
    assert on_host_mariadb.changes(request, state) == []
    user["access"] = 1
    [(line, _)] = on_host_mariadb.changes(request, state)
    assert line == "groundcrew_metrics_a may do more than it needs"


def test_redis_lets_it_read_figures_alone(exporter: dict[str, Any]) -> None:
    exporter_login.make_exporter_login(exporter)
    text = on_host_logins.users({"name": "cache", "accounts": [], "exporter": exporter})
    [line] = [item for item in text.splitlines() if item.startswith("user groundcrew_metrics_a")]
    words = line.split()
    assert words[2] == "on"
    assert set(words[4:]) == {
        "+info", "+ping", "+client|setname", "+latency|latest", "+latency|histogram",
    }  # fmt: skip
