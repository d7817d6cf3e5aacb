"""Describes patterns of names in words, and suggests replacements for values that do not match."""

from __future__ import annotations

import re
import unicodedata

PART = r"^[a-z][a-z0-9-]{0,23}$"
ACCOUNT = r"^[a-z_][a-z0-9_-]{0,31}$"
ENTRY = r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(\(\))?$"
DOMAIN = r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
URL_PATH = r"^/[\x21-\x7e]*$"

WORDS = {
    PART: "a name of 1 to 24 lower-case letters, digits and -, beginning with a letter",
    ACCOUNT: "a name of 1 to 32 lower-case letters, digits, _ and -, beginning with a letter or _",
    ENTRY: "MODULE:OBJECT, such as shop.wsgi:application",
    DOMAIN: "a host name in lower case, without scheme, port or dot at the end",
    URL_PATH: "a path that begins with /, such as /health",
}
"""Descriptions by pattern; other patterns are shown as they are."""


def in_words(pattern: str) -> str:
    """A description of the values that match a pattern."""
    return WORDS.get(pattern, f"text that matches {pattern}")


def instead(pattern: str, value: object) -> str | None:
    """What to write instead of `value`; None if that is not certain."""
    if not isinstance(value, str) or pattern not in WORDS:
        return None
    if pattern == URL_PATH:
        meant: str | None = f"/{value.lstrip('/')}"
    else:
        meant = _domain(value) if pattern == DOMAIN else _name(value, pattern)
    fits = meant is not None and re.fullmatch(pattern, meant)
    return meant if fits and meant != value else None


def _name(value: str, pattern: str) -> str | None:
    if pattern == ENTRY:
        module, dot, name = value.rpartition(".")
        # `config.wsgi` is a module.
        return f"{value}:application" if name in ("wsgi", "asgi") and dot and module else None
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[\s._]+" if pattern == PART else r"[\s.]+", "-", plain.strip()).strip("-")


def _domain(value: str) -> str | None:
    text = re.sub(r"^[a-z][a-z0-9+.-]*://", "", value.strip().lower())
    text = re.sub(r"(:[0-9]+)?(/.*)?$", "", text, count=1).rstrip(".").removeprefix(".")
    star = "*." if text.startswith("*.") else ""
    try:
        return star + text.removeprefix("*.").encode("idna").decode()
    except UnicodeError:
        return None
