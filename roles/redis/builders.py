"""Files of Redis. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from groundcrew.bindings import Binding, Replication
from groundcrew.bindings.bound import ca_file, certificate_file
from groundcrew.entries import Absent, Directory, Entry, File
from groundcrew.roles.redis.settings import TLS, RedisSettings
from groundcrew.templates import render

FOLDER = "/etc/groundcrew/redis"
CERTIFICATE = certificate_file("redis")
KEY = f"{FOLDER}/tls.key"

# The server starts for a second, alone and without its data. 124: it ran until `timeout` ended it.
VALIDATE = (
    "d=$(mktemp -d) && chown {server} $d && cd $d && out=$(timeout 1 runuser -u {server} -- "
    "/usr/bin/{server}-server {{}} --port 0 --tls-port 0 --tls-replication no "
    "--replicaof no one --unixsocket $d/socket "
    "--aclfile /dev/null --dir $d --appendonly no --pidfile $d/pid --supervised no "
    "--daemonize no 2>&1); code=$?; "
    'cd / && rm -r $d; [ $code = 124 ] || {{ echo "$out" | tail -4; exit 1; }}'
)


def configuration_file(name: str) -> str:
    """Configuration of an instance."""
    return f"{FOLDER}/{name}.conf"


def users_file(name: str) -> str:
    """Logins of an instance, with hashes of their passwords."""
    return f"{FOLDER}/{name}.acl"


def link_file(name: str) -> str:
    """Whether an instance is a replica, or has been one: `roles/redis/on_host_link.py`."""
    return f"{FOLDER}/{name}.link"


@dataclass(frozen=True)
class Peers:
    """Who an instance talks to on other hosts."""

    clients: tuple[str, ...] = ()
    """Addresses of applications and replicas that connect to it, sorted."""

    primary: Replication | None = None
    """What it is a replica of."""

    @property
    def addresses(self) -> list[str]:
        """All addresses, sorted."""
        primary = {self.primary.address} if self.primary else set()
        return sorted({*self.clients, *primary})


def peers(
    name: str,
    bindings: Sequence[Binding],
    replicas: Sequence[Replication] = (),
    follows: Sequence[Replication] = (),
) -> Peers:
    """Who an instance talks to on other hosts."""
    clients = {
        *(item for binding in bindings if binding.part == name for item in binding.addresses),
        *(item.client for item in replicas if item.part == name),
    }
    primary = next((item for item in follows if item.part == name), None)
    return Peers(tuple(sorted(clients)), primary)


def drop_in(settings: RedisSettings, name: str) -> str:
    """Directory of what changes an instance's unit."""
    return f"/etc/systemd/system/{settings.server}-server@{name}.service.d"


def entries(
    settings: RedisSettings,
    bindings: Sequence[Binding],
    replicas: Sequence[Replication] = (),
    follows: Sequence[Replication] = (),
) -> list[Entry]:
    """The configuration of every instance, and what restricts its unit."""
    links = (bindings, replicas, follows)
    return [
        Directory("/etc/groundcrew"),
        Directory(FOLDER, mode="0750", group=settings.server),
        *(
            entry
            for name in settings.instances
            for entry in _instance(settings, name, peers(name, *links))
        ),
    ]


def _instance(settings: RedisSettings, name: str, others: Peers) -> Iterator[Entry]:
    folder = drop_in(settings, name)
    if name not in settings.running:
        yield Absent(folder)
        return
    server = settings.server
    yield Directory(f"/var/lib/{server}-{name}", mode="0750", user=server, group=server)
    text = render(
        "redis/redis.conf.j2",
        values=values(settings, name, bool(others.clients), others.primary),
        # A replica of a cache would be as empty as a cache that restarts.
        link=link_file(name) if settings.running[name].purpose == "queue" else "",
    )
    yield File(
        configuration_file(name),
        text,
        mode="0640",
        group=settings.server,
        validate=VALIDATE.format(server=settings.server),
    )
    yield Directory(folder)
    yield File(
        f"{folder}/groundcrew.conf",
        render(
            "redis/service.conf.j2",
            server=settings.server,
            name=name,
            configuration=configuration_file(name),
            memory_max=settings.memory_max(name),
            addresses=others.addresses,
        ),
    )


def values(
    settings: RedisSettings, name: str, remote: bool, primary: Replication | None = None
) -> dict[str, str]:
    """The parameters of an instance."""
    item = settings.running[name]
    queue = item.purpose == "queue"
    own: dict[str, Any] = {
        "bind": "* -::*" if remote else "127.0.0.1",
        # Logins protect it; this would refuse other hosts whatever their login.
        "protected-mode": "no",
        "port": item.port,
        **({"tls-port": item.port + TLS} if remote else {}),
        **({"tls-replication": "yes"} if primary else {}),
        **(_tls(ca_file(primary) if primary else CERTIFICATE) if remote or primary else {}),
        "unixsocket": settings.socket(name),
        # Anybody may connect, and needs a login.
        "unixsocketperm": "777",
        "pidfile": f"/run/{settings.server}-{name}/{settings.server}-server.pid",
        "logfile": '""',
        "dir": f"/var/lib/{settings.server}-{name}",
        "aclfile": users_file(name),
        "acllog-max-len": "128",
        "databases": "16",
        "maxclients": item.maxclients,
        "maxmemory": f"{settings.maxmemory(name)}mb",
        "maxmemory-policy": "noeviction" if queue else "allkeys-lru",
        "save": '""',
        "appendonly": "yes" if queue else "no",
        "appendfsync": "everysec",
        # What waits for a slow replica must fit beside the keys; with more, it begins anew.
        **({"client-output-buffer-limit": "replica 32mb 16mb 60"} if queue else {}),
        "tcp-keepalive": "300",
        "disable-thp": "yes",
        "always-show-logo": "no",
    }
    chosen = {**own, **item.parameters}
    return {key: str(value) for key, value in chosen.items() if value is not None}


def _tls(authority: str) -> dict[str, str]:
    """The server's own certificate, and the one that its primary must show."""
    return {
        "tls-cert-file": CERTIFICATE,
        "tls-key-file": KEY,
        "tls-ca-cert-file": authority,
        "tls-auth-clients": "no",
    }


def snapshot(settings: RedisSettings, name: str, remote: bool) -> str:
    """File in which an instance stores all its keys when it is asked to."""
    chosen = values(settings, name, remote)
    return f"{chosen['dir']}/{chosen.get('dbfilename', 'dump.rdb')}"
