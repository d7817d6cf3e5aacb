"""Types of values in manifests: names, paths, addresses, sizes."""

from __future__ import annotations

import ipaddress
import unicodedata
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, JsonValue, StringConstraints

from groundcrew.manifest import shell
from groundcrew.manifest.names import host_name

PartName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,23}$")]
"""Name of a worker or timer."""

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Name of an environment variable."""


def _without_nul(value: JsonValue) -> JsonValue:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("an environment variable cannot hold a NUL character")
    return value


def one_line(text: str) -> str:
    """`text` without a trailing newline. Raises ValueError if it does not fit on a line of a unit
    file."""
    if "\n" in text.rstrip("\n"):
        raise ValueError("expected one line")
    text = text.rstrip("\n")
    if any(unicodedata.category(item) in ("Cc", "Cs") and item != "\t" for item in text):
        raise ValueError("control characters are not allowed")
    return text


OneLine = Annotated[str, AfterValidator(one_line)]
"""A single line of text."""


def _directive(text: str) -> str:
    if one_line(text).endswith("\\"):
        raise ValueError("must not end with a backslash, which would join it with the next line")
    return one_line(text)


DirectiveName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]*$")]
"""Name of a systemd directive."""

Directive = Annotated[str, AfterValidator(_directive)]
"""Value of a systemd directive."""


def _command(text: str) -> str:
    """A command line without surrounding whitespace, which YAML's block scalars add. Raises
    ValueError if a shell rejects it."""
    try:
        command = one_line(text).strip()
    except ValueError as error:
        hint = "; between several commands write `&&`" if "one line" in str(error) else ""
        raise ValueError(f"{error}{hint}") from None
    if not command:
        raise ValueError("is empty")
    problem = shell.problem(command)
    if problem:
        raise ValueError(
            problem if problem.startswith("it must") else f"no command of a shell: {problem}"
        )
    return command


Command = Annotated[str, AfterValidator(_command)]
"""A shell command line that a unit runs."""


def _script(text: str) -> str:
    if "\0" in text:
        raise ValueError("a command cannot hold a NUL character")
    return text


Script = Annotated[str, AfterValidator(_script)]
"""A shell script of any number of lines."""

EnvValue = Annotated[JsonValue, AfterValidator(_without_nul)]
"""Value of an environment variable; lists and mappings are passed as JSON."""

Domain = Annotated[
    str,
    StringConstraints(
        pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*"
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        max_length=253,
    ),
    BeforeValidator(host_name),
]
"""A host name, optionally with `*.` before it."""


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("expected a relative path that stays inside")
    return path.strip("/")


RelativePath = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._/-]+$"), AfterValidator(_inside)
]
"""A relative path that cannot leave its directory."""

UrlPath = Annotated[str, StringConstraints(pattern=r"^/[\x21-\x7e]*$")]
"""A URL path, optionally with a query."""

UrlDirectory = Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._~-]+/)*$")]
"""A URL path that ends with a slash."""


DebianPackage = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
"""Name of a Debian package."""

Extra = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]
"""Name of an extra of a Python package."""


def _day(text: str) -> str:
    return date.fromisoformat(text).isoformat()


Day = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_day)
]
"""A date in ISO format."""


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


Network = Annotated[str, AfterValidator(_network)]
"""An IP address or network."""

Size = Annotated[str, StringConstraints(pattern=r"^[0-9]+[KMGT]?$")]
"""A number of bytes, with an optional suffix for powers of 1024."""
