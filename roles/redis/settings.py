"""Settings of Redis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from groundcrew.bindings import Binding, Endpoint, Location, Login, Replication
from groundcrew.bindings.endpoint import url
from groundcrew.contract import Brings, HostView, Promotion, ProviderSettings
from groundcrew.manifest.types import OneLine, Size
from groundcrew.memory import in_bytes
from groundcrew.model import Settings, WrongValueError
from groundcrew.roles.redis.on_host_logins import administrator
from groundcrew.sizes import SizeName

InstanceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,15}$")]
Parameter = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]

MAXMEMORY: dict[SizeName, int] = {"small": 256, "medium": 1024, "large": 2048}
"""Memory of a cache in MiB by size; a queue has half of it."""

TLS = 10000
"""What is added to an instance's port for TLS."""
METRICS = 2742
"""What is added to an instance's port for its figures."""


class RedisInstance(Settings):
    """An instance of the server."""

    purpose: Literal["cache", "queue"] = "cache"
    """`cache`: evicts the least used keys when it is full, and stores nothing on disk. `queue`:
    refuses writes when it is full, and appends every write to a file once a second."""

    port: int = Field(ge=1, le=55535)
    """Port at 127.0.0.1. Other hosts reach it over TLS at this port + 10000."""

    metrics_port: int | None = Field(None, ge=1, le=65535)
    """Port at which monitoring reads the instance's figures, on hosts that are monitored. null:
    `port` + 2742, which makes 9121 of 6379."""

    maxmemory: Size | None = None
    """Memory for data. null: from `redis.size`."""

    memory_max: Size | None = None
    """Largest amount of memory that the instance may use (MemoryMax). null: a fifth more than
    `maxmemory`, and 32 MiB: fragmentation and rewriting the file need room."""

    maxclients: int = Field(1000, ge=10, le=50000)
    """Largest number of connections."""

    parameters: dict[Parameter, OneLine | None] = Field(default_factory=dict)
    """Other parameters of redis.conf, which also replace groundcrew's: name -> value; null leaves
    one out."""

    replica_of: str | None = None
    """Host of the inventory whose instance of this name is the primary of this one. This instance
    is then a replica, a copy that follows all changes and can take over if the primary is lost
    (docs/replication.md). Only queues can be replicas. Set it for single hosts only. null: the
    instance has keys of its own."""

    @model_validator(mode="after")
    def _caches_have_no_replica(self) -> RedisInstance:
        if self.replica_of is not None and self.purpose == "cache":
            raise WrongValueError(
                "replica_of",
                "is for queues. A cache stores nothing, so that it is empty when its server "
                "restarts, and so would be its replica: leave replica_of out, or set purpose: "
                "queue",
            )
        return self


class RedisSettings(ProviderSettings):
    """Redis, on the hosts of the inventory's group `redis`.

    An application needs an instance by its name (`needs: {cache: redis.cache, jobs: redis.queue}`)
    and gets a login that reaches only its own keys.
    """

    also: ClassVar[tuple[str, ...]] = ("cache",)
    names_databases: ClassVar[bool] = False

    server: Literal["redis", "valkey"] = "redis"
    """Server that is installed: `redis`, or `valkey` (Debian 13)."""

    size: Literal["auto", "small", "medium", "large"] = "small"
    """Size that sets the memory of all instances (docs/sizing.md); `auto` chooses by the host's
    memory."""

    instances: dict[InstanceName, RedisInstance | None] = {  # noqa: RUF012 - pydantic copies it
        "cache": RedisInstance(purpose="cache", port=6379),
        "queue": RedisInstance(purpose="queue", port=6380),
    }
    """Instances by name. null removes one, whose data stays."""

    move_aside: bool = False
    """Whether an instance that has keys of its own may become a replica. Its data is moved aside,
    to `/var/lib/redis-NAME.before-TIME`; otherwise the run is refused. Give it on the command line,
    for one run (`--data redis.move_aside=yes`)."""

    memory_used: int = Field(90, ge=1, le=99)
    """Percentage of an instance's memory for data above which an alert fires, for instances that
    refuse writes when they are full."""

    connections_used: int = Field(80, ge=1, le=99)
    """Percentage of the connections in use above which an alert fires."""

    max_lag: int = Field(30, ge=1, le=86400)
    """Seconds that a replica may be behind its primary. From then on verify warns; it fails at ten
    times as much, and if nothing arrives at all."""

    @model_validator(mode="after")
    def _ports_are_their_own(self) -> RedisSettings:
        owners: dict[int, str] = {}
        for name, item in self.running.items():
            for port in (item.port, item.port + TLS):
                first = owners.setdefault(port, name)
                if first != name:
                    raise WrongValueError(
                        ("instances", name, "port"), f"{first} and {name} have port {port}"
                    )
        return self

    @property
    def running(self) -> dict[str, RedisInstance]:
        """The instances that are not removed."""
        return {name: item for name, item in self.instances.items() if item is not None}

    def metrics_port(self, name: str) -> int:
        """Port of an instance's figures."""
        item = self.running[name]
        return item.metrics_port or item.port + METRICS

    def maxmemory(self, name: str) -> int:
        """Memory for data of an instance, in MiB."""
        item = self.running[name]
        if item.maxmemory:
            return max(1, in_bytes(item.maxmemory) >> 20)
        whole = MAXMEMORY["small" if self.size == "auto" else self.size]
        return whole if item.purpose == "cache" else whole // 2

    def memory_max(self, name: str) -> int:
        """Memory limit of an instance, in MiB."""
        given = self.running[name].memory_max
        if given:
            return max(1, in_bytes(given) >> 20)
        # Fragmentation, connections, and a copy of what changes while the file is rewritten.
        return self.maxmemory(name) * 6 // 5 + 32

    @property
    def primaries(self) -> dict[str, str]:
        """See `replica_of` of the instances."""
        return {name: item.replica_of for name, item in self.running.items() if item.replica_of}

    def primary_key(self, part: str) -> tuple[str, ...]:
        """Every instance has its own."""
        return ("instances", part, "replica_of")

    def replication_port(self, part: str) -> int:
        """That of applications on other hosts."""
        return self.running[part].port + TLS

    def unfit(self, part: str, primary: ProviderSettings) -> Iterable[tuple[tuple[str, ...], str]]:
        """See `roles/redis/replicas.py`."""
        from groundcrew.roles.redis.replicas import unfit  # noqa: PLC0415 - it needs this module

        assert isinstance(primary, RedisSettings)
        return unfit(self, part, primary)

    def promotion(self, link: Replication) -> Promotion:
        """See `roles/redis/replicas.py`."""
        from groundcrew.roles.redis.replicas import promotion  # noqa: PLC0415 - it needs this module

        return promotion(self, link)

    def brings(self, host: HostView) -> Brings:
        """See `roles/redis/brings.py`, which is imported for hosts of the group alone."""
        if "redis" not in host.place.groups:
            return Brings()
        from groundcrew.roles.redis.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)

    def parts(self) -> tuple[str, ...]:
        """The names of the instances."""
        return tuple(self.running)

    def socket(self, name: str) -> str:
        """The Unix socket of an instance."""
        return f"/run/{self.server}-{name}/server.sock"

    def endpoint(self, binding: Binding, location: Location, login: Login) -> Endpoint:
        """A URL as redis-py understands it, or as Celery does with the scheme `redis+socket`."""
        instance, path = self.running[binding.part], self.socket(binding.part)
        number = binding.settings.name or "0"
        port = instance.port if location.local else instance.port + TLS
        host = f"[{location.host}]" if ":" in location.host else location.host
        query = dict(binding.settings.query)
        if location.socket:
            scheme = binding.settings.scheme or "unix"
            query = {"virtual_host" if scheme == "redis+socket" else "db": number, **query}
            address = url(scheme, login, "", path.lstrip("/"), query)
        else:
            query = {**({"ssl_ca_certs": location.ca} if location.ca else {}), **query}
            scheme = binding.settings.scheme or ("rediss" if location.ca else "redis")
            address = url(scheme, login, f"{host}:{port}", number, query)
        return Endpoint(
            parts={
                "url": address,
                "host": location.host,
                "port": str(port),
                "user": login.user,
                "password": login.password,
                "name": number,
                "socket": path if location.local else "",
                "ca": location.ca,
            },
            answers="" if location.local else f"{host}:{port}",
            units=(f"{self.server}-server@{binding.part}.service",) if location.local else (),
        )

    def client(self, binding: Binding) -> list[str]:
        """redis-cli, as the administrator. A shell on the host reads the password from its file."""
        store = administrator(binding.part)
        program = (
            f'REDISCLI_AUTH="$(cat {store}/active/password)" exec {self.server}-cli '
            f"-s {self.socket(binding.part)} --user groundcrew_a -n {binding.settings.name or 0}"
        )
        return ["sh", "-c", program]

    def refusals(self, bindings: Sequence[Binding]) -> Iterable[tuple[Binding, str, str]]:
        """Numbers that no database has, and applications that would see each other's keys."""
        for binding in bindings:
            name = binding.settings.name
            if name is not None and not (name.isdecimal() and int(name) < 16):
                yield binding, "name", "expected the number of a database, 0 to 15"
            if binding.settings.extensions:
                yield binding, "extensions", "is for PostgreSQL only"
            if binding.settings.connections:
                yield binding, "connections", "is for PostgreSQL and MariaDB only"
            others = sorted(
                {item.app for item in bindings if item.part == binding.part} - {binding.app}
            )
            if others and not binding.settings.prefix:
                text = (
                    f"is required: {', '.join(others)} uses {binding.settings.service} too, and "
                    "each may see only its own keys. Or give one of them an instance of its own in "
                    "redis.instances"
                )
                yield binding, "prefix", text

    def connections_key(self, part: str) -> str:
        """Every instance has its own."""
        return f"instances.{part}.maxclients"

    def most_connections(self, part: str) -> int | None:
        """Ten less than `maxclients`, for administrators and monitoring."""
        return self.running[part].maxclients - 10
