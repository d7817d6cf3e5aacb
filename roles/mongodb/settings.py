"""Settings of MongoDB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, StringConstraints, field_validator, model_validator

from groundcrew.bindings import Binding, Endpoint, Location, Login
from groundcrew.bindings.endpoint import url
from groundcrew.contract import Brings, HostView, ProviderSettings
from groundcrew.manifest.types import OneLine, Size
from groundcrew.memory import in_bytes
from groundcrew.model import WrongValueError
from groundcrew.roles.mongodb.sizes import PROFILES, Profile

RUN = "/run/mongodb"
CLIENT_SCRIPT = "/etc/groundcrew/mongodb/client.js"
OWN_DATABASES = {"admin", "config", "local"}
OTHER_KEYS = {
    "net.bindIp": "follows from what applications need",
    "net.maxIncomingConnections": "is set by max_connections",
    "net.port": "is set by port",
    "processManagement.fork": "systemd runs the server",
    "security.authorization": "authentication is always on",
    "security.javascriptEnabled": "is set by javascript",
    "setParameter.enableLocalhostAuthBypass": "would let anybody on the host in",
    "storage.dbPath": "is the package's own, /var/lib/mongodb",
    "storage.wiredTiger.engineConfig.cacheSizeGB": "is set by cache",
}
"""Parameters that cannot be set as such, and why."""

Parameter = Annotated[
    str, StringConstraints(pattern=r"^[a-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9_]*)+$")
]


class MongodbSettings(ProviderSettings):
    """MongoDB, on the hosts of the inventory's group `mongodb`.

    Debian does not have it: `base.apt_sources` names the repository that provides it. An
    application that needs it (`needs: {docs: mongodb}`) gets a database of its own and a login that
    can do nothing else. Databases are never removed, except by `playbooks/remove.py` with `purge`.
    """

    also: ClassVar[tuple[str, ...]] = ("db",)

    port: int = Field(27017, ge=1, le=65535)
    """Port on which the server listens: at 127.0.0.1, and at the host's `address` if applications
    on other hosts need it."""

    size: Literal["auto", "small", "medium", "large"] = "small"
    """Size that sets memory and connections (docs/sizing.md); `auto` chooses by the host's
    memory."""

    memory_max: Size | None = None
    """Largest amount of memory that the server may use (MemoryMax). null: from `size`."""

    cache: Size | None = None
    """Memory in which WiredTiger keeps data and indexes (cacheSizeGB), 256 MiB or more. null: from
    `size`."""

    max_connections: int | None = Field(None, ge=10, le=50000)
    """Largest number of connections (maxIncomingConnections). null: from `size`. A run is refused
    if the applications could open more."""

    reserved_connections: int = Field(5, ge=1, le=1000)
    """Connections that applications cannot use: for administrators, backups and monitoring."""

    slow_query: float = Field(1.0, ge=0.001)
    """Seconds from which an operation is logged in the unit's journal."""

    javascript: bool = False
    """Whether the server runs JavaScript of clients ($where, $function, mapReduce)."""

    parameters: dict[Parameter, bool | int | float | OneLine | None] = Field(default_factory=dict)
    """Other parameters of mongod.conf, which also replace groundcrew's: name with dots
    (`storage.directoryPerDB`) -> value; null leaves one out."""

    @field_validator("cache")
    @classmethod
    def _the_server_accepts_it(cls, value: str | None) -> str | None:
        if value is not None and in_bytes(value) < 256 << 20:
            raise ValueError("WiredTiger needs 256M or more")
        return value

    @field_validator("parameters")
    @classmethod
    def _of_groundcrew(cls, values: dict[str, object]) -> dict[str, object]:
        for name in values:
            if name in OTHER_KEYS:
                raise WrongValueError((name,), OTHER_KEYS[name])
        return values

    @model_validator(mode="after")
    def _applications_have_connections(self) -> MongodbSettings:
        if self.profile.max_connections <= self.reserved_connections:
            raise WrongValueError("reserved_connections", "leaves no connection to applications")
        return self

    @model_validator(mode="after")
    def _the_cache_fits(self) -> MongodbSettings:
        if self.profile.cache >= self.profile.memory_max:
            raise WrongValueError("cache", "must be smaller than memory_max")
        return self

    @property
    def profile(self) -> Profile:
        """Memory and connections. `auto` that no fact has replaced counts as `small`."""
        base = PROFILES["small" if self.size == "auto" else self.size]
        return Profile(
            in_bytes(self.memory_max) >> 20 if self.memory_max else base.memory_max,
            in_bytes(self.cache) >> 20 if self.cache else base.cache,
            self.max_connections or base.max_connections,
        )

    @property
    def socket(self) -> str:
        """The server's Unix socket, which has its name from the port."""
        return f"{RUN}/mongodb-{self.port}.sock"

    def brings(self, host: HostView) -> Brings:
        """See `roles/mongodb/brings.py`, which is imported for hosts of the group alone."""
        if "mongodb" not in host.place.groups:
            return Brings()
        from groundcrew.roles.mongodb.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)

    def endpoint(self, binding: Binding, location: Location, login: Login) -> Endpoint:
        """A URL as MongoDB's drivers understand it. All logins are in the database `admin`."""
        host = f"[{location.host}]" if ":" in location.host else location.host
        query = {
            "authSource": "admin",
            **({"tls": "true", "tlsCAFile": location.ca} if location.ca else {}),
            **binding.settings.query,
        }
        return Endpoint(
            parts={
                "url": url(
                    binding.settings.scheme or "mongodb",
                    login,
                    quote(self.socket, safe="") if location.socket else f"{host}:{self.port}",
                    binding.database,
                    query,
                ),
                "host": location.host,
                "port": str(self.port),
                "user": login.user,
                "password": login.password,
                "name": binding.database,
                "socket": self.socket if location.local else "",
                "ca": location.ca,
            },
            answers="" if location.local else f"{host}:{self.port}",
            units=("mongod.service",) if location.local else (),
        )

    def client(self, binding: Binding) -> list[str]:
        """mongosh, as the administrator: its script reads the password on the host."""
        database = f"GROUNDCREW_DATABASE={binding.database}"
        return ["env", database, "mongosh", "--quiet", "--norc", "--nodb", "--shell", CLIENT_SCRIPT]

    def most_connections(self, part: str) -> int | None:
        """`max_connections` without the reserved ones."""
        del part
        return self.profile.max_connections - self.reserved_connections

    def refusals(self, bindings: Sequence[Binding]) -> Iterable[tuple[Binding, str, str]]:
        """Names of databases that MongoDB has itself."""
        for binding in bindings:
            if binding.database in OWN_DATABASES:
                yield binding, "name", f"{binding.database} is MongoDB's own"
            if binding.database.isdecimal():
                yield binding, "name", "expected a name that begins with a letter"
            for key in ("prefix", "extensions"):
                if getattr(binding.settings, key):
                    yield binding, key, "is not for MongoDB"
