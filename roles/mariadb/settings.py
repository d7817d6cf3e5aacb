"""Settings of MariaDB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from groundcrew.bindings import Binding, Endpoint, Location, Login
from groundcrew.bindings.endpoint import url
from groundcrew.contract import Brings, HostView, ProviderSettings
from groundcrew.manifest.types import OneLine, Size
from groundcrew.memory import in_bytes
from groundcrew.model import WrongValueError
from groundcrew.roles.mariadb.sizes import PROFILES, Profile

SOCKET = "/run/mysqld/mysqld.sock"
OWN_DATABASES = {"information_schema", "mysql", "performance_schema", "sys"}

Parameter = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class MariadbSettings(ProviderSettings):
    """MariaDB, on the hosts of the inventory's group `mariadb`.

    An application that needs it (`needs: {database: mariadb}`) gets a database of its own and a
    login that can do nothing else. Databases are never removed, except by `playbooks/remove.py`
    with `purge`.
    """

    also: ClassVar[tuple[str, ...]] = ("db",)

    port: int = Field(3306, ge=1, le=65535)
    """Port on which the server listens: at 127.0.0.1, and at the host's other addresses if
    applications on other hosts need it."""

    metrics_port: int = Field(9104, ge=1, le=65535)
    """Port at which monitoring reads the server's figures, on hosts that are monitored."""

    connections_used: int = Field(80, ge=1, le=99)
    """Percentage of the connections in use above which an alert fires."""

    size: Literal["auto", "small", "medium", "large"] = "small"
    """Size that sets memory and connections (docs/sizing.md); `auto` chooses by the host's
    memory."""

    memory_max: Size | None = None
    """Largest amount of memory that the server may use (MemoryMax). null: from `size`, plus
    `query_cache`."""

    buffer_pool: Size | None = None
    """Memory in which InnoDB keeps tables and indexes (innodb_buffer_pool_size). null: from
    `size`."""

    max_connections: int | None = Field(None, ge=10, le=10000)
    """Largest number of connections. null: from `size`. A run is refused if the applications could
    open more."""

    reserved_connections: int = Field(5, ge=1, le=1000)
    """Connections that applications cannot use: for administrators, backups and monitoring."""

    query_cache: Size | None = None
    """Memory for cached results of queries (query_cache_size). A result is dropped when one of its
    tables changes. null: no such cache, which is faster for most applications."""

    slow_query: float = Field(1.0, ge=0)
    """Seconds from which a query is logged in /var/log/mysql/mariadb-slow.log and counted as
    slow."""

    parameters: dict[Parameter, OneLine | None] = Field(default_factory=dict)
    """Other parameters of the server, which also replace groundcrew's: name -> value; null leaves
    one out."""

    @model_validator(mode="after")
    def _applications_have_connections(self) -> MariadbSettings:
        if self.profile.max_connections <= self.reserved_connections:
            raise WrongValueError("reserved_connections", "leaves no connection to applications")
        return self

    @property
    def profile(self) -> Profile:
        """Memory and connections. `auto` that no fact has replaced counts as `small`."""
        base = PROFILES["small" if self.size == "auto" else self.size]
        cache = in_bytes(self.query_cache) >> 20 if self.query_cache else 0
        return Profile(
            in_bytes(self.memory_max) >> 20 if self.memory_max else base.memory_max + cache,
            in_bytes(self.buffer_pool) >> 20 if self.buffer_pool else base.buffer_pool,
            self.max_connections or base.max_connections,
        )

    def brings(self, host: HostView) -> Brings:
        """See `roles/mariadb/brings.py`, which is imported for hosts of the group alone."""
        if "mariadb" not in host.place.groups:
            return Brings()
        from groundcrew.roles.mariadb.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)

    def contradictions(self, host: HostView) -> Iterable[tuple[tuple[str, ...], str]]:
        """Without binary logs, there is nothing to back up between full copies."""
        if not (host.backed_up and "mariadb" in host.place.groups):
            return
        off = [key for key in ("log_bin", "skip_log_bin") if key in self.parameters]
        for key in off:
            if key != "log_bin" or self.parameters[key] is None:
                yield (
                    ("parameters", key),
                    "backups need the server's binary logs: leave it out",
                )

    def endpoint(self, binding: Binding, location: Location, login: Login) -> Endpoint:
        """A URL as SQLAlchemy understands it for PyMySQL and mysqlclient."""
        host = f"[{location.host}]" if ":" in location.host else location.host
        query = {
            "charset": "utf8mb4",
            **({"unix_socket": SOCKET} if location.socket else {}),
            **({"ssl_ca": location.ca} if location.ca else {}),
            **binding.settings.query,
        }
        return Endpoint(
            parts={
                "url": url(
                    binding.settings.scheme or "mysql",
                    login,
                    "localhost" if location.socket else f"{host}:{self.port}",
                    binding.database,
                    query,
                ),
                "host": "localhost" if location.socket else location.host,
                "port": str(self.port),
                "user": login.user,
                "password": login.password,
                "name": binding.database,
                "socket": SOCKET if location.local else "",
                "ca": location.ca,
            },
            answers="" if location.local else f"{host}:{self.port}",
            units=("mariadb.service",) if location.local else (),
        )

    def client(self, binding: Binding) -> list[str]:
        """mariadb, as root, who needs no password."""
        return ["mariadb", "--no-defaults", "--local-infile=0", binding.database]

    @property
    def limits_logins(self) -> bool:
        """It does."""
        return True

    def most_connections(self, part: str) -> int | None:
        """`max_connections` without the reserved ones."""
        del part
        return self.profile.max_connections - self.reserved_connections

    def refusals(self, bindings: Sequence[Binding]) -> Iterable[tuple[Binding, str, str]]:
        """Names of databases that MariaDB has itself."""
        for binding in bindings:
            if binding.database in OWN_DATABASES:
                yield binding, "name", f"{binding.database} is MariaDB's own"
            if binding.database.isdecimal():
                yield binding, "name", "expected a name that begins with a letter"
            for key in ("prefix", "extensions"):
                if getattr(binding.settings, key):
                    yield binding, key, "is not for MariaDB"
