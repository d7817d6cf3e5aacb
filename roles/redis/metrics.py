"""What monitoring measures of Redis, and what it warns of. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.exporters import LISTEN, Exporter
from groundcrew.metrics import HOSTS, Rule
from groundcrew.roles.redis.settings import RedisSettings

FOLDER = "/etc/groundcrew/redis"
MEMORY = 16
MINUTE = 60
JOB = "redis"
NAME = "Redis {{ $labels.server }} of {{ $labels.instance }}"


def exporter(settings: RedisSettings, name: str) -> Exporter:
    """The program that asks an instance. It asks for no configuration, which contains passwords."""
    item = settings.running[name]
    return Exporter(
        name=f"redis-{name}",
        job=JOB,
        package="prometheus-redis-exporter",
        packaged="prometheus-redis-exporter.service",
        command=(
            "/usr/bin/prometheus-redis-exporter",
            f"--web.listen-address={LISTEN}",
            f"--redis.addr=redis://127.0.0.1:{item.port}",
            "--config-command=-",
        ),
        port=settings.metrics_port(name),
        memory=MEMORY,
        labels={"server": name},
        secret=f"{FOLDER}/{name}.metrics",
        started=False,
    )


def environment() -> str:
    """The file with the login."""
    return "REDIS_USER={user}\nREDIS_PASSWORD={password}\n"


def rules(settings: RedisSettings) -> Iterator[Rule]:
    """The instances answer, and have memory and connections left."""
    yield Rule(
        "RedisDown",
        f'redis_up{{job="{JOB}",{HOSTS}}} == 0',
        MINUTE,
        "critical",
        f"{NAME} does not answer",
        "journalctl -u 'redis-server@*' shows why.",
    )
    full = f"100 * redis_memory_used_bytes{{{HOSTS}}} / (redis_memory_max_bytes{{{HOSTS}}} > 0)"
    kept = f'redis_instance_info{{maxmemory_policy="noeviction",{HOSTS}}}'
    yield Rule(
        "RedisFull",
        f"{full} > {settings.memory_used} and on (instance, server) {kept}",
        MINUTE,
        "critical",
        NAME + ' uses {{ $value | printf "%.0f" }} % of its memory, and will refuse writes',
        "See whether workers take jobs; or raise maxmemory of redis.instances.NAME.",
    )
    # Debian 12's program does not tell how many there are.
    limits = {
        name: item.maxclients * settings.connections_used // 100
        for name, item in settings.running.items()
    }
    yield Rule(
        "RedisConnections",
        " or ".join(
            f'redis_connected_clients{{server="{name}",{HOSTS}}} > {limit}'
            for name, limit in limits.items()
        ),
        MINUTE,
        "warning",
        NAME + " has {{ $value }} connections, nearly all that it may have",
        "CLIENT LIST shows the clients: use fewer workers, or a larger maxclients.",
    )
    yield Rule(
        "RedisRefuses",
        f"increase(redis_rejected_connections_total{{{HOSTS}}}[5m]) > 0",
        0,
        "critical",
        f"{NAME} refuses connections: all are in use",
        "As with RedisConnections.",
    )
    yield Rule(
        "RedisReplicaLag",
        f"redis_master_link_up{{{HOSTS}}} == 0 "
        f"or redis_master_last_io_seconds_ago{{{HOSTS}}} > {settings.max_lag} "
        f"or redis_connected_slave_lag_seconds{{{HOSTS}}} > {settings.max_lag}",
        MINUTE,
        "warning",
        f"a replica is behind or not connected, as {NAME} sees it",
        "playbooks/status.py shows how far; the instance's journal on the replica shows why.",
    )
