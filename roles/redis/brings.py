"""What Redis brings to a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from groundcrew.bindings import Binding, Replication
from groundcrew.contract import (
    BackupSource,
    Brings,
    HostView,
    Port,
    Reads,
    Renewal,
    ServerState,
    StatusLines,
    Unit,
)
from groundcrew.memory import Share
from groundcrew.roles.redis import builders, metrics, panels
from groundcrew.roles.redis.checks import replica_status, replicas_follow, servers, status
from groundcrew.roles.redis.replicas import primary_of
from groundcrew.roles.redis.settings import TLS, RedisSettings

ON_HOST = "groundcrew.roles.redis.on_host"
REPLICA = "groundcrew.roles.redis.on_host_replica"
ON_HOST_BACKUP = "groundcrew.roles.redis.on_host_backup"


def brings(settings: RedisSettings, host: HostView) -> Brings:
    """Package, files, units, logins and checks, on hosts of the group `redis`."""
    bindings = [item for item in host.place.provides if item.role == "redis"]
    replicas = [item for item in host.place.replicas if item.role == "redis"]
    follows = [item for item in host.place.follows if item.role == "redis"]
    measured = bool(host.place.monitors)
    asked = request(settings, bindings, replicas, follows, measured)
    reads = Reads(ON_HOST, ("redis",), asked)
    brought = Brings(
        packages=(f"{settings.server}-server",),
        files=builders.entries(settings, bindings, replicas, follows),
        ports=[
            port
            for name in settings.running
            for port in _ports(settings, name, builders.peers(name, bindings, replicas))
        ],
        units=[
            Unit(
                f"{settings.server}-server@{name}.service",
                exposure=1.5,
                memory=Share("redis", name, settings.memory_max(name) << 20, 1),
            )
            for name in settings.running
        ],
        reads=[reads],
        checks={"redis": partial(servers, settings)},
        status=[StatusLines("redis", reads, status)],
        states=[ServerState("redis", ON_HOST, asked)],
        # Without it, saving and rewriting fail when memory is nearly used up.
        sysctl={"vm.overcommit_memory": "1"},
        backups=_sources(settings, asked, bindings) if host.backed_up else [],
        exporters=[metrics.exporter(settings, name) for name in settings.running if measured],
        rules=list(metrics.rules(settings)) if measured else [],
        panels=list(panels.panels(settings)) if measured else [],
        renewals=[Renewal(f"{settings.server}-server@*.service", drops=True)],
    )
    return _with_replicas(settings, brought, asked, follows, measured) if follows else brought


def _with_replicas(
    settings: RedisSettings,
    brought: Brings,
    asked: Mapping[str, Any],
    follows: Sequence[Replication],
    measured: bool,
) -> Brings:
    """The same with the instances that are replicas. Nobody connects to them from other hosts."""
    instances = [
        {
            **_instance(settings, item.part, [], [], measured),
            "tls": True,
            "data": builders.values(settings, item.part, remote=False)["dir"],
            "primary": primary_of(settings, item),
        }
        for item in follows
    ]
    wanted = {**asked, "instances": instances, "removed": [], "move_aside": settings.move_aside}
    reads = Reads(REPLICA, ("redis_replicas",), wanted)
    return replace(
        brought,
        reads=[*brought.reads, reads],
        checks={**brought.checks, "redis replicas": partial(replicas_follow, settings)},
        status=[*brought.status, StatusLines("redis_replicas", reads, replica_status)],
        states=[
            *brought.states,
            ServerState("redis replicas", REPLICA, wanted, after_logins=True),
        ],
    )


def _sources(
    settings: RedisSettings, asked: Mapping[str, Any], bindings: Sequence[Binding]
) -> list[BackupSource]:
    """Queues. What a cache has can be made again."""
    remote = asked["certificate"] is not None
    queues = [
        {
            **item,
            "port": settings.running[item["name"]].port,
            "databases": builders.values(settings, item["name"], remote).get("databases", "16"),
            "file": builders.snapshot(settings, item["name"], remote),
        }
        for item in asked["instances"]
        if item["purpose"] == "queue"
    ]
    names = {item["name"] for item in queues}
    apps = tuple(sorted({item.app for item in bindings if item.part in names}))
    request = {"server": settings.server, "instances": queues}
    return [BackupSource("redis", ON_HOST_BACKUP, request, apps)] if queues else []


def _ports(settings: RedisSettings, name: str, peers: builders.Peers) -> list[Port]:
    item, others = settings.running[name], peers.clients
    unit = (f"{settings.server}-server@{name}.service",)
    # Both ports listen at the same addresses, and the packet filter opens only that for TLS.
    plain = Port(item.port, (*unit, f"{settings.server}-server.service"), public=bool(others))
    if not others:
        return [plain]
    rule = f"redis-{name}"
    return [plain, Port(item.port + TLS, unit, opened=others, rule=rule)]


def request(
    settings: RedisSettings,
    bindings: Sequence[Binding],
    replicas: Sequence[Replication] = (),
    follows: Sequence[Replication] = (),
    measured: bool = False,
) -> dict[str, Any]:
    """The request to `roles/redis/on_host.py`: all instances but those that are replicas."""
    followed = {item.part for item in follows}
    # The certificate is there before the first client needs it: the server would not start
    # without it. A replica has one, but nobody asks for its name.
    names = {
        *(item.address for item in bindings if item.addresses),
        *(item.address for item in replicas),
    } or ({"localhost"} if follows else set())
    return {
        "server": settings.server,
        "instances": [
            _instance(
                settings,
                name,
                [item for item in bindings if item.part == name],
                [item for item in replicas if item.part == name],
                measured,
            )
            for name in settings.running
            if name not in followed
        ],
        "removed": [name for name, item in settings.instances.items() if item is None],
        "certificate": {
            "file": builders.CERTIFICATE,
            "key": builders.KEY,
            "group": settings.server,
            "names": sorted(names),
        }
        if names
        else None,
    }


def _instance(
    settings: RedisSettings,
    name: str,
    bindings: Sequence[Binding],
    replicas: Sequence[Replication],
    measured: bool,
) -> dict[str, Any]:
    exporter = metrics.exporter(settings, name)
    return {
        "name": name,
        "purpose": settings.running[name].purpose,
        "socket": settings.socket(name),
        "configuration": builders.configuration_file(name),
        "users": builders.users_file(name),
        "drop_in": f"{builders.drop_in(settings, name)}/groundcrew.conf",
        "link": builders.link_file(name),
        "exporter": exporter.with_login(metrics.environment()) if measured else None,
        "tls": bool(builders.peers(name, bindings, replicas).clients),
        "accounts": _accounts(bindings),
        "replicas": [
            {
                "host": item.replica,
                "address": item.client,
                "account": item.account,
                "store": item.store,
            }
            for item in replicas
        ],
    }


def _accounts(bindings: Sequence[Binding]) -> list[dict[str, Any]]:
    alone = len({item.app for item in bindings}) == 1
    return [
        {
            "app": item.app,
            "account": item.account,
            "store": item.store,
            "prefix": item.settings.prefix or "",
            "alone": alone and not item.settings.prefix,
        }
        for item in bindings
    ]
