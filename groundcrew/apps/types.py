"""The values that manifests are made of: names, paths, addresses, sizes."""

from __future__ import annotations

import ipaddress
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, JsonValue, StringConstraints

from groundcrew.apps.names import host_name

PartName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,23}$")]
"""The name of a worker, a timer or another part."""

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of an environment variable."""


def _without_nul(value: JsonValue) -> JsonValue:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("an environment variable cannot hold a NUL character")
    return value


EnvValue = Annotated[JsonValue, AfterValidator(_without_nul)]
"""The value of an environment variable; lists and mappings are passed as JSON."""

Domain = Annotated[
    str,
    StringConstraints(
        pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*"
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        max_length=253,
    ),
    BeforeValidator(host_name),
]
"""A host name, or `*.` and one."""


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("expected a relative path that stays inside")
    return path.strip("/")


RelativePath = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._/-]+$"), AfterValidator(_inside)
]
"""A path inside a release."""

UrlPath = Annotated[str, StringConstraints(pattern=r"^/[\x21-\x7e]*$")]
"""A path of a URL, with its query where it has one."""

UrlDirectory = Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._~-]+/)*$")]
"""The path of everything below it: it ends with a slash."""


DebianPackage = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
"""The name of a Debian package."""

Extra = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]
"""The name of a Python package's optional dependencies."""


def _day(text: str) -> str:
    return date.fromisoformat(text).isoformat()


Day = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_day)
]
"""A day, as year, month and day."""


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


Network = Annotated[str, AfterValidator(_network)]
"""An address or a network."""

Size = Annotated[str, StringConstraints(pattern=r"^[0-9]+[KMGT]?$")]
"""Bytes, with a suffix of powers of 1024."""
