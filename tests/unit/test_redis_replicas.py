"""Replicas of Redis: what is refused, what each host gets, and how one becomes the primary."""

from __future__ import annotations

import grp
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from groundcrew.bindings import Replication
from groundcrew.entries import File
from groundcrew.remote import credentials
from groundcrew.remote.credentials import make_logins, rotate_logins, take_login
from groundcrew.roles.redis import (
    RedisSettings,
    builders,
    on_host,
    on_host_link,
    on_host_logins,
    on_host_promotion,
    on_host_replica,
    on_host_replicas,
)
from groundcrew.roles.redis.checks import replica_status, replicas_follow, servers, status
from groundcrew.verify.seen import Seen
from tests.unit.project import Project

LINK = Replication("redis", "db1", "10.0.0.9", "db2", "10.0.0.10", 16380, "queue")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An application host, a primary and a replica."""
    made = Project(tmp_path)
    made.hosts = {
        "web1": (["web"], {"ssh_hostname": "192.0.2.1"}),
        "db1": (["redis"], {"ssh_hostname": "192.0.2.9", "address": "10.0.0.9"}),
        "db2": (["redis"], {"ssh_hostname": "192.0.2.10", "address": "10.0.0.10"}),
    }
    made.app(more="needs: {jobs: redis.queue}\n")
    return made


def replica(project: Project, name: str = "queue", host: str = "db2", **settings: Any) -> None:
    instances = {name: {"replica_of": "db1", **settings}}
    project.hosts[host][1]["redis"] = {"instances": instances}


def test_applications_get_the_primary(project: Project) -> None:
    replica(project)
    loaded = {name: item.settings for name, item in project.load().items()}
    assert [item.provider for item in loaded["web1"].place.uses] == ["db1"]
    assert loaded["db1"].place.replicas == loaded["db2"].place.follows == (LINK,)
    assert LINK.store.endswith(f"/redis.queue.replicas/{LINK.account}")


def test_the_primary_lets_the_replica_in(project: Project) -> None:
    replica(project)
    loaded = {name: item.settings for name, item in project.load().items()}
    ports = {
        name: {port.number: port.opened for port in loaded[name].brought.roles["redis"].ports}
        for name in ("db1", "db2")
    }
    assert ports["db1"] == {6379: None, 6380: None, 16380: ("10.0.0.10", "192.0.2.1")}
    assert ports["db2"] == {6379: None, 6380: None}
    first, last = loaded["db2"].brought.states
    assert [item["name"] for item in first.request["instances"]] == ["cache"]
    assert (first.after_logins, last.after_logins) == (False, True)
    [instance] = last.request["instances"]
    assert instance["primary"]["store"] == LINK.store
    assert instance["data"] == "/var/lib/redis-queue"


def test_only_the_primary_is_backed_up(project: Project) -> None:
    replica(project)
    target = {"type": "directory", "path": "/backups"}
    project.all = {"backup": {"targets": {"here": target}}}
    loaded = {name: item.settings for name, item in project.load().items()}
    named = {
        name: [
            instance["name"]
            for source in loaded[name].brought.backups
            if source.title == "redis"
            for instance in source.request["instances"]
        ]
        for name in ("db1", "db2")
    }
    assert named == {"db1": ["queue"], "db2": []}


def test_what_a_replica_is_configured_to() -> None:
    entries = builders.entries(RedisSettings(), [], follows=[LINK])
    files = {item.path: item.data.decode() for item in entries if isinstance(item, File)}
    queue = files[builders.configuration_file("queue")]
    assert "\ntls-replication yes\n" in queue
    assert "\ntls-ca-cert-file /etc/groundcrew/authorities/redis-db1.pem\n" in queue
    assert "\ntls-port" not in queue
    assert queue.endswith("\ninclude /etc/groundcrew/redis/queue.link*\n")
    # Nothing but a file of the host says which primary, and with which password.
    assert not any(word in queue for word in ("replicaof", "masterauth", "masteruser"))
    assert "include" not in files[builders.configuration_file("cache")]
    unit = files[f"{builders.drop_in(RedisSettings(), 'queue')}/groundcrew.conf"]
    assert "IPAddressAllow=localhost 10.0.0.9\n" in unit


@pytest.mark.parametrize(
    ("primary", "message"),
    [
        ("db3", 'no host "db3"; did you mean'),
        ("db2", "a host cannot have a replica of itself"),
        ("web1", "web1 is not in the inventory's group redis"),
    ],
)
def test_a_primary_that_is_none(project: Project, primary: str, message: str) -> None:
    replica(project, replica_of=primary)
    layer, key, told = project.error()
    assert (layer, key) == ("inventory, host db2", "redis.instances.queue.replica_of")
    assert told.startswith(message)


def test_a_primary_without_that_instance(project: Project) -> None:
    replica(project, "jobs", purpose="queue", port=6390)
    told = {key: message for _, key, message in project.errors()}
    assert told["redis.instances.jobs.replica_of"] == (
        "db1 has no redis.jobs (known: redis.cache, redis.queue)"
    )


def test_no_ring(project: Project) -> None:
    replica(project)
    replica(project, host="db1", replica_of="db2")
    told = [message for _, key, message in project.errors() if key.endswith("replica_of")]
    assert "db1 is a replica itself, of db2: name that one" in told


def test_a_cache_has_no_replica(project: Project) -> None:
    replica(project, "cache")
    _, key, told = project.error()
    assert key == "redis.instances.cache.replica_of"
    assert "is for queues. A cache stores nothing" in told


@pytest.mark.parametrize(
    ("own", "key", "told"),
    [
        ({"maxmemory": "64M"}, "maxmemory", "gives queue 64 MiB (maxmemory), and the primary has"),
        ({"memory_max": "130M"}, "memory_max", "gives queue 130 MiB (memory_max), and the primary"),
        (
            {"parameters": {"appendfsync": "no"}},
            "parameters",
            "appendfsync is no, and the primary's everysec",
        ),
    ],
)
def test_a_replica_is_like_its_primary(
    project: Project, own: dict[str, Any], key: str, told: str
) -> None:
    replica(project, **own)
    problem = project.error()
    assert problem[1] == f"redis.instances.queue.{key}"
    assert problem[2].startswith(told)


def test_a_primary_that_is_larger_or_a_cache(project: Project) -> None:
    replica(project)
    project.hosts["db1"][1]["redis"] = {"size": "large"}
    assert project.error()[1] == "redis.size"
    project.hosts["db1"][1]["redis"] = {"instances": {"queue": {"purpose": "cache"}}}
    assert project.error()[1:] == (
        "redis.instances.queue.purpose",
        "is queue, and the primary's cache",
    )
    # What follows from the host's memory is not known here.
    project.hosts["db1"][1]["redis"] = {"size": "auto"}
    assert project.load()


INFO = {
    "role": "slave", "master_host": "10.0.0.9", "master_port": "16380", "master_link_status": "up",
    "master_sync_in_progress": "0", "master_last_io_seconds_ago": "2", "slave_repl_offset": "900",
    "slave_read_repl_offset": "1000", "master_replid": "a1",
}  # fmt: skip


def test_the_lag_that_each_side_tells() -> None:
    lag = on_host_replicas.lag(INFO)
    assert (lag["recovering"], lag["streaming"]) == (True, True)
    # A primary without changes says so every ten seconds.
    assert (lag["bytes"], lag["seconds"]) == (100, 0.0)
    assert on_host_replicas.lag({**INFO, "master_last_io_seconds_ago": "31"})["seconds"] == 31.0
    down = {**INFO, "master_link_status": "down", "master_link_down_since_seconds": "9"}
    assert on_host_replicas.lag(down)["streaming"] is False
    assert on_host_replicas.lag({**INFO, "master_sync_in_progress": "1"})["streaming"] is False
    assert on_host_replicas.lag({"role": "master"})["recovering"] is False
    primary = {
        "master_repl_offset": "1000",
        "slave0": "ip=10.0.0.10,port=0,state=online,offset=990,lag=1",
        "slave_expires_tracked_keys": "0",
    }
    replicas = [{"host": "db2", "address": "10.0.0.10"}, {"host": "db3", "address": "10.0.0.11"}]
    assert on_host_replicas.followers(primary, replicas) == [
        {"host": "db2", "streaming": True, "bytes": 10, "seconds": 1.0},
        {"host": "db3", "streaming": False, "bytes": None, "seconds": 0.0},
    ]


class Server:
    """Stands for a running instance: answers what it is asked, and notes the commands."""

    def __init__(self, info: dict[str, str], **config: str) -> None:
        self.info, self.config = dict(info), dict(config)
        self.keys, self.done = "", list[tuple[str, ...]]()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask(self, *words: Any) -> Any:
        command = tuple(map(str, words))
        if command[0] == "INFO":
            lines = [f"{key}:{value}" for key, value in self.info.items()]
            return (self.keys if command[1] == "keyspace" else "\r\n".join(lines)).encode()
        if command[:2] == ("CONFIG", "GET"):
            return [command[2].encode(), self.config.get(command[2], "").encode()]
        if command == ("ACL", "USERS"):
            return [b"default", b"gone_a", *(name.encode() for name in self.config)]
        self.done.append(command)
        if command[:2] == ("CONFIG", "SET"):
            self.config[command[2]] = command[3]
        if command == ("REPLICAOF", "NO", "ONE"):
            self.info["role"] = "master"
        elif command[0] == "REPLICAOF":
            self.info.update(INFO)
        return b"OK"

    def ask_all(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        return [self.ask(*words) for words in commands]


Give = Callable[..., Server]


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A replica, as the programs on its host are asked for it."""
    for module in (credentials, on_host_logins):
        monkeypatch.setattr(module, "FOLDER", str(tmp_path / "credentials"))

    class Group:
        gr_gid = -1

    monkeypatch.setattr(grp, "getgrnam", lambda _: Group)
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    store = str(tmp_path / "credentials/redis.queue.replicas" / LINK.account)
    take_login(store, f"{LINK.account}_a", "secret")
    data = tmp_path / "redis-queue"
    data.mkdir()
    return {
        "name": "queue", "server": "redis", "link": str(tmp_path / "queue.link"),
        "configuration": str(tmp_path / "queue.conf"), "data": str(data), "accounts": [],
        "replicas": [],
        "primary": {
            "host": "db1", "address": "10.0.0.9", "port": 16380, "server": "redis", "store": store,
            "ca": "/etc/ca.pem",
        },
    }  # fmt: skip


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    def given(info: dict[str, str], **config: str) -> Server:
        server = Server(info, **config)
        for module in (on_host, on_host_replica, on_host_promotion):
            monkeypatch.setattr(module, "connect", lambda _: server)
        monkeypatch.setattr(on_host_replica, "converge_instance", lambda *_: None)
        monkeypatch.setattr(on_host_replica, "instance_differences", lambda *_: [])
        monkeypatch.setattr(on_host_replica, "certificate_differences", lambda _: [])
        monkeypatch.setattr(on_host_replica, "run", lambda *_: None)
        monkeypatch.setattr(on_host_replica, "answers", lambda _: True)
        return server

    return given


def asked(instance: dict[str, Any], **more: Any) -> dict[str, Any]:
    request = {"server": "redis", "certificate": None, "instances": [instance], "removed": []}
    return {**request, "move_aside": False, **more}


def test_a_new_instance_follows(instance: dict[str, Any], give: Give) -> None:
    server = give({"role": "master"})
    assert on_host_replica.differences(asked(instance)) == ["queue: it does not follow db1"]
    on_host_replica.converge(asked(instance))
    assert server.done == [
        ("CONFIG", "SET", "masteruser", f"{LINK.account}_a"),
        ("CONFIG", "SET", "masterauth", "secret"),
        ("CONFIG", "SET", "min-replicas-max-lag", "10"),
        ("CONFIG", "SET", "min-replicas-to-write", "0"),
        ("REPLICAOF", "10.0.0.9", "16380"),
    ]
    text = Path(instance["link"]).read_text()
    assert text.startswith("# groundcrew: replica\nreplicaof 10.0.0.9 16380\n")
    assert "\nmasterauth secret\nreplica-read-only yes\n" in text
    assert Path(instance["link"]).stat().st_mode & 0o777 == 0o640
    assert on_host_replica.differences(asked(instance)) == []


def test_another_password_leaves_the_copy_as_it_is(instance: dict[str, Any], give: Give) -> None:
    server = give(INFO, masteruser=f"{LINK.account}_a", masterauth="secret")
    on_host_replica.converge(asked(instance))
    assert server.done == []
    take_login(instance["primary"]["store"], f"{LINK.account}_b", "new")
    assert on_host_replica.differences(asked(instance)) == ["queue: it does not follow db1"]
    on_host_replica.converge(asked(instance))
    assert server.done[:2] == [
        ("CONFIG", "SET", "masteruser", f"{LINK.account}_b"),
        ("CONFIG", "SET", "masterauth", "new"),
    ]
    assert on_host_link.kind(instance["link"]) == on_host_link.REPLICA


def test_keys_are_not_replaced_unasked(instance: dict[str, Any], give: Give) -> None:
    server = give({"role": "master"})
    server.keys = "# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\n"
    with pytest.raises(on_host.ServerError, match=r"keys of its own.*redis.move_aside=yes"):
        on_host_replica.converge(asked(instance))
    assert server.done == []
    assert not Path(instance["link"]).exists()
    (Path(instance["data"]) / "file").write_text("kept")
    on_host_replica.converge(asked(instance, move_aside=True))
    [aside] = on_host_replica.kept_aside(instance["data"])
    assert (Path(aside) / "file").read_text() == "kept"
    assert list(Path(instance["data"]).iterdir()) == []


def test_a_promoted_one_is_made_no_replica_again(instance: dict[str, Any], give: Give) -> None:
    give({"role": "master"})
    on_host_link.mark_promoted(instance["link"], "redis")
    with pytest.raises(on_host.ServerError, match="it has been promoted"):
        on_host_replica.converge(asked(instance))
    # The primary that was stopped for it can, with whatever it has.
    server = give({"role": "master"}, **{"min-replicas-to-write": on_host_link.NOBODY})
    server.keys = "db0:keys=3,expires=0,avg_ttl=0"
    on_host_link.mark_retired(instance["link"], "redis")
    on_host_replica.converge(asked(instance))
    # It accepts writes again if it is promoted later.
    assert server.config["min-replicas-to-write"] == "0"
    assert on_host_link.kind(instance["link"]) == on_host_link.REPLICA


@pytest.mark.parametrize("mark", [on_host_link.RETIRED, on_host_link.REPLICA])
def test_a_primary_that_accepts_no_writes_is_left_alone(
    instance: dict[str, Any], mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_host, "run", lambda *_: type("Done", (), {"stdout": ""}))
    Path(instance["link"]).write_text(f"# groundcrew: {mark}\n")
    [line] = on_host.differences(asked(instance))
    assert line.startswith("queue: it accepts no writes: ")
    assert "redis.instances.queue.replica_of" in line
    with pytest.raises(on_host.ServerError, match="accepts no writes"):
        on_host.converge(asked(instance))


def test_the_primary_refuses_writes_before_it_says_how_far_it_is(
    instance: dict[str, Any], give: Give
) -> None:
    server = give({"role": "master", "master_replid": "a1", "master_repl_offset": "1000"})
    Path(instance["configuration"]).write_text("port 6380\nmin-replicas-to-write 1\n")
    assert on_host_promotion.retire(instance) == {"target": {"log": "a1", "end": 1000}}
    assert server.done[-1] == ("CONFIG", "SET", "min-replicas-to-write", on_host_link.NOBODY)
    assert f"min-replicas-to-write {on_host_link.NOBODY}\n" in Path(instance["link"]).read_text()
    on_host_promotion.resume(instance)
    assert server.config["min-replicas-to-write"] == "1"
    assert on_host_link.kind(instance["link"]) == ""
    give(INFO)
    with pytest.raises(on_host.ServerError, match="a replica itself"):
        on_host_promotion.retire(instance)


def test_a_replica_is_promoted_when_it_has_everything(instance: dict[str, Any], give: Give) -> None:
    request = {**instance, "target": {"log": "a1", "end": 1000}, "timeout": 0}
    for lacking in ({}, {"slave_repl_offset": "1000", "master_replid": "b2"}):
        server = give({**INFO, **lacking})
        done = on_host_promotion.promote(request)
        assert (done["promoted"], server.done) == (False, [])
    server = give({**INFO, "slave_repl_offset": "1000"})
    assert on_host_promotion.ready(request)["reachable"]
    assert on_host_promotion.promote(request)["promoted"]
    assert ("REPLICAOF", "NO", "ONE") in server.done
    assert server.config["masterauth"] == ""
    assert on_host_link.kind(instance["link"]) == on_host_link.PROMOTED
    assert on_host_promotion.promote({**request, "target": None})["already"]


def test_a_replica_may_only_replicate(instance: dict[str, Any], tmp_path: Path) -> None:
    store = str(tmp_path / "credentials/redis.queue.replicas/of-db1")
    make_logins(store, LINK.account)
    instance["replicas"] = [{"account": LINK.account, "store": store}]
    lines = {line.split()[1]: line for line in on_host_logins.users(instance).splitlines()}
    assert lines[f"{LINK.account}_a"].endswith(" +psync +replconf +ping")
    assert "~" not in lines[f"{LINK.account}_a"]
    assert " off " in lines[f"{LINK.account}_b"]
    rotate_logins(store, LINK.account)
    assert " on " in on_host_logins.users(instance).splitlines()[-1]


def test_logins_are_learnt_without_closing_the_connections_of_others(
    instance: dict[str, Any], tmp_path: Path
) -> None:
    store = str(tmp_path / "credentials/redis.queue.replicas/of-db1")
    make_logins(store, LINK.account)
    instance["replicas"] = [{"account": LINK.account, "store": store}]
    server = Server({})
    on_host_logins.learn(instance, server)  # type: ignore[arg-type]
    assert [words[:3] for words in server.done] == [
        ("ACL", "SETUSER", "default"),
        ("CLIENT", "KILL", "USER"),
        ("ACL", "SETUSER", f"{LINK.account}_a"),
        ("ACL", "SETUSER", f"{LINK.account}_b"),
        ("CLIENT", "KILL", "USER"),
        ("ACL", "DELUSER", "b'gone_a'"),
    ]
    assert server.done[2][3:5] == ("reset", "on")


FIGURES = {
    "version": "7.0.15", "used": 1 << 20, "allowed": 1 << 28, "clients": 2, "maxclients": 1000,
    "evicted": 0, "keys": 9, "hit_rate": None, "stored": True, "last_write": "ok",
}  # fmt: skip
BEHIND = {"streaming": True, "bytes": 2048, "seconds": 1.0}


def seen(section: str, **instance: Any) -> Seen:
    """What verify has read on a host."""

    class Report:
        def section(self, name: str) -> dict[str, Any]:
            assert name == section
            return {"differences": [], "instances": {"queue": {**FIGURES, **instance}}}

    return Report()  # type: ignore[return-value]


def test_verify_and_status_tell_the_lag() -> None:
    primary = seen("redis", replicas=[{"host": "db2", **BEHIND}])
    follower = seen("redis_replicas", replica={"of": "db1", "aside": ["/old"], **BEHIND})
    told = "2 KiB and 1.0 s behind"
    checks = [*servers(RedisSettings(), primary), *replicas_follow(RedisSettings(), follower)]
    assert [(item.name, item.detail) for item in checks] == [
        ("redis", "queue 7.0.15 1 MiB of 256 MiB"),
        ("redis queue replica db2", told),
        ("redis replicas", "queue of db1"),
        ("redis queue replication", told),
    ]
    assert list(status(primary.section("redis")))[1:] == [f"  replica on db2: {told}"]
    assert list(replica_status(follower.section("redis_replicas")))[1:] == [
        f"  replica of db1: {told}",
        "  /old: moved aside, not used",
    ]
    cut = seen("redis_replicas", replica={"of": "db1", "aside": [], "streaming": False})
    check = list(replicas_follow(RedisSettings(), cut))[-1]
    assert (check.status.name, check.detail) == ("FAIL", "receives nothing")
