"""Settings of what an application needs besides itself: a database, a cache, a queue."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from groundcrew.manifest.secret import OperatorSecret
from groundcrew.manifest.types import EnvName, OneLine, PartName, RelativePath
from groundcrew.model import Settings, WrongValueError

PARTS = ("url", "host", "port", "user", "password", "name", "socket", "ca")
"""What an application can be told about a service that it needs."""

ServiceName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,23}(\.[a-z][a-z0-9-]{0,23})?$")
]
"""A role that provides something, with its part if it has several: `postgresql`, `redis.cache`."""


class Need(Settings):
    """A service that the application needs: one that a host of the inventory provides (`service`),
    or one that other people run (`url`). A text alone is a `service`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["service"]}, {"required": ["url"]}],
        },
    )

    service: ServiceName | None = None
    """Role that provides it, such as `postgresql`, `mariadb` or `redis.cache`. It is provided by
    the application's own host if that is in the inventory's group of that name, otherwise by the
    host that is."""

    host: str | None = None
    """Host of the inventory that provides it. Required if several other hosts provide it and the
    application's own host does not."""

    url: OperatorSecret | None = None
    """URL of a service that is not in the inventory, with user and password. The host must reach
    it, or the run ends before it changes anything."""

    scheme: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9+.-]*$")] | None = None
    """Scheme of the URL, which some libraries use to choose a driver: `postgresql+psycopg`,
    `mysql+pymysql`. null: the service's own."""

    query: dict[str, OneLine] = Field(default_factory=dict)
    """Parameters that are added to the URL: `{application_name: shop}`."""

    env: dict[EnvName, OneLine] | None = None
    """Environment variables of the application: name -> `url`, `host`, `port`, `user`, `password`,
    `name` (of the database), `socket` or `ca` (the provider's certificate), or a text with those in
    braces (`"{host}:{port}"`). null: the URL in a variable named after the need: `DATABASE_URL` for
    the need `database`."""

    files: dict[RelativePath, OneLine] = Field(default_factory=dict)
    """Files in the release: path -> the same kind of value as in `env`. Only the application can
    read them."""

    connect: Literal["socket", "tcp"] = "socket"
    """How the application reaches a service on its own host: over its Unix socket, or over TCP at
    127.0.0.1 for libraries without support for sockets. Services on other hosts are reached over
    TLS."""

    name: (
        Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$|^[0-9]{1,4}$")] | None
    ) = None
    """Name of the database; for Redis its number. null: application and need (`shop_database`); for
    Redis 0."""

    pool: int | None = Field(None, ge=1)
    """Largest number of connections that one process of the application opens. null: its number of
    threads, or 15 if it is asynchronous (SQLAlchemy's default)."""

    connections: int | None = Field(None, ge=1)
    """PostgreSQL and MariaDB: largest number of connections that the application on one host may
    have open; the server refuses more. null: as many as its processes can open (`pool`), twice
    while a release replaces another."""

    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:._-]{1,64}$")] | None = None
    """Redis: prefix of all keys and channels that the application may use. Required if several
    applications share an instance."""

    extensions: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")], ...] = ()
    """PostgreSQL: extensions of the database, created by its administrator. Their Debian packages
    belong in `base.packages`."""

    @property
    def role(self) -> str:
        """The role that provides it."""
        return (self.service or "").partition(".")[0]

    @property
    def part(self) -> str:
        """The part of the role; empty if the role has none."""
        return (self.service or "").partition(".")[2]

    def variables(self, need: str) -> dict[str, str]:
        """Environment variables: name -> part, or text with parts in braces."""
        if self.env is not None:
            return self.env
        return {f"{need.upper().replace('-', '_')}_URL": "url"}

    @model_validator(mode="after")
    def _one_kind(self) -> Need:
        if (self.service is None) == (self.url is None):
            raise ValueError("expected exactly one of: service, url")
        if self.url is not None:
            for key in ("host", "name", "prefix", "extensions", "connections"):
                if key in self.model_fields_set:
                    raise WrongValueError(key, "is for a `service`, not for a `url`")
        return self

    @model_validator(mode="after")
    def _texts_name_parts(self) -> Need:
        for block, texts in (("env", self.env or {}), ("files", self.files)):
            for key, text in texts.items():
                problem = _problem(text)
                if problem:
                    raise WrongValueError((block, key), problem)
        return self


def _problem(text: str) -> str | None:
    if text in PARTS:
        return None
    if "{" not in text:
        return f"expected one of: {', '.join(PARTS)}, or a text with them in braces"
    try:
        text.format_map(dict.fromkeys(PARTS, ""))
    except (KeyError, IndexError, ValueError, AttributeError):
        return f"in braces only: {', '.join(PARTS)}"
    return None


def filled(text: str, parts: dict[str, str]) -> str:
    """The value that a text of `env` or `files` stands for."""
    return parts[text] if text in PARTS else text.format_map(parts)


def _short(value: Any) -> Any:
    return {"service": value} if isinstance(value, str) else value


Needs = dict[PartName, Annotated[Need, BeforeValidator(_short)]]
"""What an application needs, by a name of its choice."""
