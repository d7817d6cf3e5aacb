"""Redis: its files, its logins, and what applications are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from groundcrew.bindings import Binding, Client, Location, Login
from groundcrew.entries import File
from groundcrew.manifest.need import Need
from groundcrew.remote import credentials
from groundcrew.remote.credentials import make_logins, rotate_logins
from groundcrew.roles.redis import RedisSettings, builders, on_host, on_host_logins
from groundcrew.roles.redis.checks import status
from groundcrew.roles.redis.report import Instance
from tests.unit.project import Project

LOGIN = Login("shop_cache_a", "secret")
HERE = Location("127.0.0.1", local=True, socket=True, ca="")
TCP = Location("127.0.0.1", local=True, socket=False, ca="")
AWAY = Location("10.0.0.7", local=False, socket=False, ca="/etc/groundcrew/authorities/r.pem")


def binding(
    app: str = "shop", part: str = "cache", address: str | None = None, **need: Any
) -> Binding:
    settings = Need.model_validate({"service": f"redis.{part}", **need})
    return Binding(app, "cache", settings, "web1", "10.0.0.7", (Client("web1", address),))


def text(path: str, *bindings: Binding, **settings: Any) -> str:
    entries = builders.entries(RedisSettings.model_validate(settings), bindings)
    [file] = [item for item in entries if isinstance(item, File) and item.path == path]
    return file.data.decode()


def test_a_cache_evicts_and_a_queue_writes_to_disk() -> None:
    cache, queue = (text(builders.configuration_file(name)) for name in ("cache", "queue"))
    assert "\nmaxmemory-policy allkeys-lru\n" in cache
    assert "\nappendonly no\n" in cache
    assert "\nport 6379\n" in cache
    assert "\nunixsocket /run/redis-cache/server.sock\n" in cache
    assert "\nmaxmemory-policy noeviction\n" in queue
    assert "\nappendonly yes\nappendfsync everysec\n" in queue
    assert "\ndisable-thp yes\n" in queue
    assert "\nclient-output-buffer-limit replica 32mb 16mb 60\n" in queue


def test_the_server_cannot_write_its_configuration() -> None:
    files = [item for item in builders.entries(RedisSettings(), []) if isinstance(item, File)]
    assert {
        (item.user, item.mode) for item in files if item.path.startswith("/etc/groundcrew")
    } == {("root", "0640")}


def test_other_hosts_get_tls_at_a_port_of_its_own() -> None:
    remote = binding(address="10.0.0.8")
    cache = text(builders.configuration_file("cache"), remote)
    assert "\nport 6379\ntls-port 16379\n" in cache
    assert "tls-port" not in text(builders.configuration_file("queue"), remote)
    folder = builders.drop_in(RedisSettings(), "cache")
    assert "IPAddressAllow=localhost 10.0.0.8\n" in text(f"{folder}/groundcrew.conf", remote)


def test_the_packet_filter_opens_only_the_port_for_tls(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.app("shop", "needs: {cache: redis.cache}\n")
    project.hosts = {
        "web1": (["web"], {"address": "192.0.2.1"}),
        "red1": (["redis"], {"address": "192.0.2.9"}),
    }
    ports = project.settings("red1").brought.roles["redis"].ports
    assert {port.number: port.opened for port in ports} == {
        6379: None, 16379: ("192.0.2.1",), 6380: None,
    }  # fmt: skip


def test_sizes_instances_and_ports() -> None:
    settings = RedisSettings(size="medium")
    assert [settings.maxmemory(name) for name in ("cache", "queue")] == [1024, 512]
    given = {"purpose": "cache", "port": 6400, "maxmemory": "512M", "memory_max": "600M"}
    chosen = RedisSettings.model_validate({"instances": {"own": given}})
    assert (chosen.maxmemory("own"), chosen.memory_max("own")) == (512, 600)
    with pytest.raises(ValidationError, match="a and b have port 6400"):
        RedisSettings.model_validate({"instances": {"a": given, "b": given}})


def test_instances_are_added_and_removed(tmp_path: Path) -> None:
    project = Project(tmp_path)
    jobs = {"purpose": "queue", "port": 6390}
    project.all = {"redis": {"instances": {"cache": None, "jobs": jobs}}}
    project.app()
    assert project.settings().redis.parts() == ("queue", "jobs")


def test_parameters_replace_and_leave_out() -> None:
    parameters = {"maxmemory-policy": "volatile-ttl", "save": None, "timeout": "60"}
    own = {"purpose": "cache", "port": 1, "parameters": parameters}
    configuration = text(builders.configuration_file("own"), instances={"own": own})
    assert "\nmaxmemory-policy volatile-ttl\n" in configuration
    assert "\ntimeout 60\n" in configuration
    assert "\nsave" not in configuration


@pytest.mark.parametrize(
    ("need", "location", "url"),
    [
        ({}, HERE, "unix://shop_cache_a:secret@/run/redis-cache/server.sock?db=0"),
        (
            {"scheme": "redis+socket", "name": "3"},
            HERE,
            "redis+socket://shop_cache_a:secret@/run/redis-cache/server.sock?virtual_host=3",
        ),
        ({"name": "3"}, TCP, "redis://shop_cache_a:secret@127.0.0.1:6379/3"),
        (
            {},
            AWAY,
            "rediss://shop_cache_a:secret@10.0.0.7:16379/0"
            "?ssl_ca_certs=/etc/groundcrew/authorities/r.pem",
        ),
    ],
)
def test_the_url_says_how_to_connect(need: dict[str, str], location: Location, url: str) -> None:
    endpoint = RedisSettings().endpoint(binding(**need), location, LOGIN)
    assert endpoint.parts["url"] == url
    assert bool(endpoint.answers) is not location.local
    assert bool(endpoint.units) is location.local


def test_applications_that_share_an_instance_need_prefixes() -> None:
    settings = RedisSettings()
    both = [binding("shop", prefix="shop:"), binding("blog")]
    [(refused, key, reason)] = settings.refusals(both)
    assert (refused.app, key) == ("blog", "prefix")
    assert "shop uses redis.cache too" in reason
    assert not list(settings.refusals([binding("shop"), binding("blog", part="queue")]))
    [(_, key, _)] = settings.refusals([binding(name="16")])
    assert key == "name"


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(credentials, "FOLDER", str(tmp_path / "credentials"))
    monkeypatch.setattr(on_host_logins, "FOLDER", str(tmp_path / "credentials"))
    make_logins(on_host_logins.administrator("cache"), "groundcrew")
    stores = {}
    for app in ("shop", "blog"):
        stores[app] = str(tmp_path / f"credentials/redis.cache/{app}.cache")
        make_logins(stores[app], f"{app}_cache")
    return {
        "name": "cache",
        "accounts": [
            {"account": "shop_cache", "store": stores["shop"], "prefix": "", "alone": True},
            {"account": "blog_cache", "store": stores["blog"], "prefix": "b:", "alone": False},
        ],
    }


def test_logins_reach_their_own_keys_alone(instance: dict[str, Any]) -> None:
    lines = {line.split()[1]: line for line in on_host_logins.users(instance).splitlines()}
    assert lines["default"] == "user default off"
    assert lines["groundcrew_a"].endswith("~* &* +@all")
    assert " on #" in lines["shop_cache_a"]
    assert " off #" in lines["shop_cache_b"]
    assert "+flushdb" in lines["shop_cache_a"]
    assert " ~b:* &b:* +@all -@admin -@dangerous " in lines["blog_cache_a"]
    assert "-scan" in lines["blog_cache_a"]
    assert "flushdb" not in lines["blog_cache_a"]
    for account in instance["accounts"]:
        for login in credentials.logins(account["store"], account["account"]):
            assert login.password not in on_host_logins.users(instance)
    rotate_logins(instance["accounts"][0]["store"], "shop_cache")
    assert " on #" in {
        line.split()[1]: line for line in on_host_logins.users(instance).splitlines()
    }["shop_cache_b"]  # fmt: skip


def test_whether_the_server_knows_the_logins(
    instance: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As Redis 7.0 prints it.
    told = (
        on_host_logins.users(instance)
        .replace("~*", "~* resetchannels")
        .replace(" on ", " on nopass ")
    )
    monkeypatch.setattr(on_host, "ask", lambda *_: told)
    assert on_host.loaded({}, instance)
    rotate_logins(instance["accounts"][0]["store"], "shop_cache")
    assert not on_host.loaded({}, instance)


def test_the_status_tells_memory_and_connections() -> None:
    report: Instance = {
        "version": "7.0.15", "used": 1 << 20, "allowed": 1 << 28, "clients": 2, "maxclients": 1000,
        "evicted": 4, "keys": 9, "hit_rate": 99.5,
    }  # fmt: skip
    lines = status(
        {
            "differences": [],
            "instances": {"cache": report, "queue": {"error": "it does not answer"}},
        }
    )
    assert list(lines) == [
        "redis cache 7.0.15: 1 MiB of 256 MiB, 2 of 1000 connections, 9 keys, hit rate 99.5 %, "
        "4 evicted",
        "redis queue: it does not answer",
    ]
