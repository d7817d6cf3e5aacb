"""Settings of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from groundcrew.bindings import Binding, Endpoint, Location, Login, Replication
from groundcrew.bindings.endpoint import url
from groundcrew.contract import Brings, HostView, Promotion, ProviderSettings
from groundcrew.manifest.types import OneLine, Size
from groundcrew.model import WrongValueError
from groundcrew.roles.postgresql.sizes import Profile, profile

SOCKETS = "/run/postgresql"
"""Directory of the Unix socket."""

Rule = Annotated[
    OneLine,
    StringConstraints(
        pattern=r"^(local(\s+\S+){3,}|host(ssl|nossl|gssenc|nogssenc)?(\s+\S+){4,}|#.*)$"
    ),
]
"""A line of pg_hba.conf: kind, database, user, address unless it is `local`, and method."""

Parameter = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$")]


class PostgresqlSettings(ProviderSettings):
    """PostgreSQL, on the hosts of the inventory's group `postgresql`.

    An application that needs it (`needs: {database: postgresql}`) gets a database of its own and a
    login that can do nothing else. Databases are never removed, except by `playbooks/remove.py`
    with `purge`.
    """

    also: ClassVar[tuple[str, ...]] = ("db",)

    port: int = Field(5432, ge=1, le=65535)
    """Port on which the server listens: at 127.0.0.1, and at the host's other addresses if
    applications on other hosts need it."""

    metrics_port: int = Field(9187, ge=1, le=65535)
    """Port at which monitoring reads the server's figures, on hosts that are monitored."""

    size: Literal["auto", "small", "medium", "large"] = "small"
    """Size that sets memory and connections (docs/sizing.md); `auto` chooses by the host's
    memory."""

    memory_max: Size | None = None
    """Largest amount of memory that the server may use (MemoryMax). null: from `size`."""

    shared_buffers: Size | None = None
    """Memory for the server's own cache. null: from `size`."""

    effective_cache_size: Size | None = None
    """Memory that the planner expects to be available for caches, including the kernel's. null:
    from `size`."""

    work_mem: Size | None = None
    """Memory that a sort or a hash may use before it is written to disk. null: from `size`."""

    max_connections: int | None = Field(None, ge=10, le=10000)
    """Largest number of connections. null: from `size`. A run is refused if the applications could
    open more."""

    reserved_connections: int = Field(8, ge=3, le=1000)
    """Connections that applications cannot use: for administrators, backups and monitoring."""

    slow_statement: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(ms|s)$")] = "500ms"
    """Duration from which a statement is logged and counted as slow."""

    parameters: dict[Parameter, OneLine | None] = Field(default_factory=dict)
    """Other parameters of postgresql.conf, which also replace groundcrew's: name -> value; null
    leaves one out."""

    adopt: bool = False
    """Whether a server that has databases already is taken over. Their users can connect only by
    what `hba` says. With false, such a run ends with an error."""

    hba: tuple[Rule, ...] = ()
    """More lines of pg_hba.conf, after those of the applications."""

    replica_of: str | None = None
    """Host of the inventory that is the primary of this one. This host then has a replica, a copy
    that follows all changes and can take over if the primary is lost (docs/replication.md). Set it
    for single hosts only. null: the host has databases of its own."""

    move_aside: bool = False
    """Whether a host that has databases of its own may become a replica. They are moved aside, to
    `/var/lib/postgresql/VERSION/main.before-TIME`; otherwise the run is refused. Give it on the
    command line, for one run (`--data postgresql.move_aside=yes`)."""

    max_lag: int = Field(30, ge=1, le=86400)
    """Seconds that a replica may be behind its primary. From then on verify warns; it fails at ten
    times as much, and if nothing arrives at all."""

    connections_used: int = Field(80, ge=1, le=99)
    """Percentage of the connections in use above which an alert fires."""

    max_slot_wal_keep_size: Size = "2G"
    """Space on the primary's disk for changes that a replica has not fetched yet. If a replica
    lacks more, the next run copies it anew."""

    @property
    def primaries(self) -> dict[str, str]:
        """See `replica_of`."""
        return {"": self.replica_of} if self.replica_of else {}

    def replication_port(self, part: str) -> int:
        """That of applications."""
        del part
        return self.port

    def unfit(self, part: str, primary: ProviderSettings) -> Iterable[tuple[tuple[str, ...], str]]:
        """A replica must allow as many connections as its primary, or it does not start."""
        del part
        assert isinstance(primary, PostgresqlSettings)
        least = primary.profile.max_connections
        known = "auto" not in (self.size, primary.size)
        if known and self.profile.max_connections < least:
            key = "size" if self.max_connections is None else "max_connections"
            yield (
                (key,),
                f"allows {self.profile.max_connections} connections, and the primary {least}: a "
                "replica needs at least as many",
            )

    def promotion(self, link: Replication) -> Promotion:
        """See `roles/postgresql/brings.py`."""
        from groundcrew.roles.postgresql.brings import promotion  # noqa: PLC0415 - as below

        return promotion(self, link)

    @model_validator(mode="after")
    def _applications_have_connections(self) -> PostgresqlSettings:
        if self.profile.max_connections <= self.reserved_connections:
            raise WrongValueError("reserved_connections", "leaves no connection to applications")
        return self

    @property
    def profile(self) -> Profile:
        """Memory and connections."""
        return profile(self)

    def brings(self, host: HostView) -> Brings:
        """See `roles/postgresql/brings.py`, which is imported for hosts of the group alone."""
        if "postgresql" not in host.place.groups:
            return Brings()
        from groundcrew.roles.postgresql.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)

    def endpoint(self, binding: Binding, location: Location, login: Login) -> Endpoint:
        """A URL as libpq, SQLAlchemy and asyncpg understand it."""
        place = f"[{location.host}]" if ":" in location.host else location.host
        query = {
            **({"host": SOCKETS, "port": str(self.port)} if location.socket else {}),
            **({"sslmode": "verify-full", "sslrootcert": location.ca} if location.ca else {}),
            **binding.settings.query,
        }
        if query.get("port") == "5432":
            del query["port"]
        return Endpoint(
            parts={
                "url": url(
                    binding.settings.scheme or "postgresql",
                    login,
                    "" if location.socket else f"{place}:{self.port}",
                    binding.database,
                    query,
                ),
                "host": SOCKETS if location.socket else location.host,
                "port": str(self.port),
                "user": login.user,
                "password": login.password,
                "name": binding.database,
                "socket": f"{SOCKETS}/.s.PGSQL.{self.port}" if location.local else "",
                "ca": location.ca,
            },
            answers="" if location.local else f"{place}:{self.port}",
            units=("postgresql.service",) if location.local else (),
        )

    def client(self, binding: Binding) -> list[str]:
        """psql, as the administrator. Statements from a file or a pipe end at the first error."""
        program = ["psql", "--set=ON_ERROR_STOP=1", f"--port={self.port}"]
        program.append(f"--dbname={binding.database}")
        return ["runuser", "-u", "postgres", "--", "env", "--chdir=/", *program]

    @property
    def limits_logins(self) -> bool:
        """It does."""
        return True

    def most_connections(self, part: str) -> int | None:
        """`max_connections` without the reserved ones."""
        del part
        return self.profile.max_connections - self.reserved_connections

    def refusals(self, bindings: Sequence[Binding]) -> Iterable[tuple[Binding, str, str]]:
        """Names of databases that PostgreSQL or logins have."""
        logins = {f"{item.account}_{letter}" for item in bindings for letter in "ab"}
        for binding in bindings:
            if binding.database in {"postgres", "template0", "template1"} | logins:
                yield binding, "name", f"{binding.database} is the name of something else"
            if binding.database.isdecimal():
                yield binding, "name", "expected a name that begins with a letter"
            if binding.settings.prefix:
                yield binding, "prefix", "is for Redis only"
