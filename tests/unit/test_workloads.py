"""Workloads: what runs of an application in containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from groundcrew.manifest.paths import AppPaths
from groundcrew.orchestrators.workload import Workload
from groundcrew.roles.releases import server_process
from groundcrew.roles.settings import HostSettings
from groundcrew.roles.workloads import NotExportedError, size_in_bytes, workload
from groundcrew.settings.load import load_host
from groundcrew.settings.merge import Layer

ROOT = Path(__file__).resolve().parents[2]
FIVE = ["ragflow-like", "opendify-like", "agentchat-like", "legacypi-like", "ragagent-like"]


def settings(project: Path, name: str = "shop", **host: Any) -> HostSettings:
    loaded, problems = load_host(
        [Layer("test", {"apps": [name], **host})], HostSettings, project, frozenset()
    )
    assert loaded, problems
    return loaded.settings


def made(tmp_path: Path, *, beside_proxy: bool = True, **changes: Any) -> Workload:
    (tmp_path / "apps").mkdir()
    (tmp_path / "src").mkdir()
    manifest = {"source": {"directory": "src"}, "entry": "shop:app", "requirements": False}
    text = yaml.safe_dump({**manifest, **changes})
    (tmp_path / "apps/shop.yml").write_text(text)
    return workload("shop", settings(tmp_path), tmp_path, beside_proxy=beside_proxy)


def dropped(item: Workload) -> dict[str, str]:
    return {one.key: one.reason for one in item.dropped}


@pytest.mark.parametrize("name", FIVE)
@pytest.mark.parametrize("beside_proxy", [True, False])
def test_the_examples_can_be_read_back_from_json(name: str, beside_proxy: bool) -> None:
    item = workload(name, settings(ROOT, name), ROOT, beside_proxy=beside_proxy)
    adapter = TypeAdapter(Workload)
    assert adapter.validate_json(adapter.dump_json(item)) == item


def test_the_server_has_the_command_of_its_unit(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    gunicorn = made(tmp_path / "one", server={"workers": 3, "graceful_timeout": 50})
    venv = "/srv/shop/current/venv/bin"
    assert gunicorn.server.command == (
        *(f"{venv}/gunicorn", "--config", "/etc/groundcrew/server/gunicorn.conf.py"),
        "shop:app",
    )
    assert 'bind = "unix:/run/groundcrew/app/app.sock"' in gunicorn.server.files["gunicorn.conf.py"]
    assert gunicorn.server.stop_timeout == 60
    (tmp_path / "two").mkdir()
    other = made(tmp_path / "two", beside_proxy=False, server={"type": "uvicorn", "workers": 2})
    app = settings(tmp_path / "two").app["shop"]
    unit = server_process(app.server).unit(AppPaths("shop"), "ID", app, 1)
    [line] = [text for text in unit.splitlines() if text.startswith("ExecStart=")]
    options = line.partition(" --workers")[2].rstrip('"')
    assert other.server.command[2].endswith(f"--host 0.0.0.0 --port 8000 --workers{options}")
    assert other.server.listen == "0.0.0.0:8000"


def test_a_command_on_a_socket_needs_its_proxy_beside_it(tmp_path: Path) -> None:
    server = {"type": "command", "command": "hypercorn --bind unix:{socket} shop:app"}
    (tmp_path / "one").mkdir()
    beside = made(tmp_path / "one", entry=None, server=server)
    assert beside.server.command[-1] == (
        "exec hypercorn --bind unix:/run/groundcrew/app/app.sock shop:app"
    )
    (tmp_path / "two").mkdir()
    with pytest.raises(NotExportedError, match="`listen: port`"):
        made(tmp_path / "two", beside_proxy=False, entry=None, server=server)


def test_automatic_workers_are_counted_by_the_limit(tmp_path: Path) -> None:
    item = made(tmp_path, limits={"cpu_quota": "150%"})
    assert "workers = 5\n" in item.server.files["gunicorn.conf.py"]
    assert "5 is written, for 2 CPUs" in dropped(item)["server.workers"]


def test_passwords_are_no_plain_variables(tmp_path: Path) -> None:
    item = made(
        tmp_path,
        env={"COLOUR": "red", "CACHE": "redis://:untold@127.0.0.1/0", "DB": "sqlite:///shop.db"},
        secrets={"KEY": {"env": "SHOP_KEY"}},
        needs={"database": "postgresql"},
    )
    assert item.variables["COLOUR"] == "red"
    assert [secret.name for secret in item.secrets] == ["CACHE", "KEY", "DATABASE_URL"]
    assert "untold" not in str(item)
    assert item.sqlite == ("DB",)
    assert "needs.database" in dropped(item)


def test_configuration_files_have_names_in_the_place_of_secrets() -> None:
    name = "agentchat-like"
    [file] = workload(name, settings(ROOT, name), ROOT, beside_proxy=True).files
    assert "database.password" in file.secrets
    assert "<database.password>" in file.text


def test_what_cannot_be_carried_over_is_told(tmp_path: Path) -> None:
    item = made(
        tmp_path,
        limits={"memory_high": "1G", "memory_max": "2G"},
        nginx={
            "rate_limit": {"rate": "10r/s"},
            "locations": {
                "/admin/": {"basic_auth": {"me": {"env": "PASSWORD"}}},
                "/news/": {"cache": {}},
            },
        },
        sandbox={"SystemCallFilter": "@system-service @mount", "ProtectSystem": "no"},
        timers={"night": {"command": "true", "schedule": "daily"}},
        checks=[{"path": "/"}],
    )
    assert {
        *("limits.memory_high", "nginx.rate_limit", "nginx.locations /admin/ basic_auth"),
        *("nginx.locations /news/ cache", "sandbox.SystemCallFilter", "timers.night", "checks"),
    } <= set(dropped(item))
    assert not item.sandbox.read_only
    [guarded] = [route for route in item.web.routes if route.path == "/admin/"]
    assert guarded.guard
    assert item.limits.memory == 2 << 30


def test_the_drain_is_that_of_a_host(tmp_path: Path) -> None:
    # upstream_keepalive_time 5 + upstream_keepalive_timeout 5 + 2
    (tmp_path / "one").mkdir()
    assert made(tmp_path / "one").drain == 12
    (tmp_path / "two").mkdir()
    assert made(tmp_path / "two", release={"drain": 40}).drain == 40


def test_development_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotExportedError, match="development"):
        made(tmp_path, mode="development")


@pytest.mark.parametrize(("text", "size"), [(None, None), ("600M", 600 << 20), ("12", 12)])
def test_sizes(text: str | None, size: int | None) -> None:
    assert size_in_bytes(text) == size
