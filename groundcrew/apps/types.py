"""The values that manifests are made of: names, paths, addresses, sizes."""

from __future__ import annotations

import ipaddress
import unicodedata
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, JsonValue, StringConstraints

from groundcrew.apps import shell
from groundcrew.apps.names import host_name

PartName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,23}$")]
"""The name of a worker, a timer or another part."""

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of an environment variable."""


def _without_nul(value: JsonValue) -> JsonValue:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("an environment variable cannot hold a NUL character")
    return value


def one_line(text: str) -> str:
    """Text that fits into a line of a unit file."""
    if "\n" in text.rstrip("\n"):
        raise ValueError("expected one line")
    text = text.rstrip("\n")
    if any(unicodedata.category(item) in ("Cc", "Cs") and item != "\t" for item in text):
        raise ValueError("control characters are not allowed")
    return text


OneLine = Annotated[str, AfterValidator(one_line)]
"""Text of one line."""


def _directive(text: str) -> str:
    if one_line(text).endswith("\\"):
        raise ValueError("must not end with a backslash, which would join it with the next line")
    return one_line(text)


DirectiveName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]*$")]
"""The name of a directive of systemd."""

Directive = Annotated[str, AfterValidator(_directive)]
"""What a directive of systemd is set to."""


def _command(text: str) -> str:
    """What YAML's blocks leave at the end is no part of it."""
    try:
        found = one_line(text).strip()
    except ValueError as error:
        hint = "; between several commands write `&&`" if "one line" in str(error) else ""
        raise ValueError(f"{error}{hint}") from None
    if not found:
        raise ValueError("is empty")
    problem = shell.problem(found)
    if problem:
        raise ValueError(
            problem if problem.startswith("it must") else f"no command of a shell: {problem}"
        )
    return found


Command = Annotated[str, AfterValidator(_command)]
"""A command line of a unit, as a shell takes it."""


def _script(text: str) -> str:
    if "\0" in text:
        raise ValueError("a command cannot hold a NUL character")
    return text


Script = Annotated[str, AfterValidator(_script)]
"""What a shell is to run, in any number of lines."""

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
