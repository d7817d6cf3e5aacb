"""Checks the spelling of host names and entry points, and suggests the right one."""

from __future__ import annotations

import re

import idna

LONGEST_LABEL = 63
_PARTS = re.compile(r"^(?:[a-z][a-z0-9+.-]*://)?([^/?#]*)(.*)$", re.IGNORECASE)


def host_name(value: object) -> object:
    """`value` unchanged. Raises ValueError, with the right spelling if there is one, for a misspelt
    host name (optionally with `*.` before it)."""
    if not isinstance(value, str):
        return value
    match = _PARTS.match(value.strip())
    place = match[1] if match else value
    name, port = place, ""
    if with_port := re.fullmatch(r"(.+):([0-9]+)", place):
        name, port = with_port.groups()
    reasons = []
    if "://" in value or (match and match[2]):
        reasons.append("without scheme and path")
    if port:
        reasons.append(f"the port is a key of its own, `port: {port}`")
    if name.endswith("."):
        reasons.append("without a dot at its end")
    if name.startswith("."):
        reasons.append("`*.` stands for every name below it")
    if name != name.lower():
        reasons.append("in lower case")
    if value != value.strip():
        reasons.append("without spaces around it")
    written = name.strip(".").lower()
    if name.startswith("."):
        written = f"*.{written}"
    if not written.isascii():
        reasons.append("as the DNS has it")
        written = _encoded(value, written)
    _refuse(value, written)
    if reasons:
        raise ValueError(f'"{value}": write "{written}" ({", ".join(reasons)})')
    return value


def _encoded(value: str, name: str) -> str:
    star = "*." if name.startswith("*.") else ""
    try:
        return star + idna.encode(name[len(star) :], uts46=True).decode()
    except idna.IDNAError as error:
        raise ValueError(f'"{value}" is no host name: {error}') from None


def _refuse(value: str, name: str) -> None:
    """Raises ValueError for names that no other spelling would make valid."""
    labels = name.removeprefix("*.").split(".")
    if "_" in name:
        raise ValueError(
            f'"{value}" is no host name: it has an underscore, which no certificate can be for; '
            f'write "{name.replace("_", "-")}" if that is its name'
        )
    if "*" in "".join(labels):
        raise ValueError(
            f'"{value}": `*` stands for the first part of a name, and all of it: "*.example.org"'
        )
    long = next((label for label in labels if len(label) > LONGEST_LABEL), None)
    if long:
        raise ValueError(
            f'"{value}" is no host name: "{long}" has {len(long)} characters, '
            f"{LONGEST_LABEL} are allowed between two dots"
        )


def entry_point(value: object) -> object:
    """`value` unchanged. Raises ValueError, with the right spelling, for a misspelt entry point."""
    if not isinstance(value, str) or not value:
        return value
    module, colon, name = value.strip().partition(":")
    written = module.removesuffix(".py").removeprefix("./").replace("/", ".")
    better = f"{written}:{name or 'NAME'}"
    if "-" in written:
        raise ValueError(
            f'"{value}": a module of Python has no "-" in its name: rename it, to '
            f'"{better.replace("-", "_")}", or name a module that imports it'
        )
    if not colon or not name:
        raise ValueError(
            f'"{value}" is a module alone: write "{better}", with the name of the callable in it'
        )
    if module != written or value != value.strip():
        raise ValueError(f'"{value}": a module is written with dots and without `.py`: "{better}"')
    return value
