"""Results of calls to well-known functions."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from groundcrew.newapp.reading.values import UNKNOWN

WORDS = {
    **dict.fromkeys(("y", "yes", "t", "true", "on", "1", "ok", "enabled"), True),
    **dict.fromkeys(("n", "no", "f", "false", "off", "0", "", "none", "disabled"), False),
}
"""Meaning of these words in configurations."""

TEXT_METHODS = frozenset((
    "lower", "upper", "strip", "rstrip", "lstrip", "split", "startswith", "endswith", "replace",
    "title", "capitalize", "casefold", "removeprefix", "removesuffix", "isdigit", "rsplit",
    "partition", "rpartition", "splitlines", "join", "format",
))  # fmt: skip
ENGINES = {
    "sqlite": "django.db.backends.sqlite3",
    "sqlite3": "django.db.backends.sqlite3",
    "postgres": "django.db.backends.postgresql",
    "postgresql": "django.db.backends.postgresql",
    "psql": "django.db.backends.postgresql",
    "pgsql": "django.db.backends.postgresql",
    "mysql": "django.db.backends.mysql",
    "mysql2": "django.db.backends.mysql",
}


LONGEST = 5000
"""Maximum length of strings (characters) and lists (items) that are evaluated."""
SIMPLE = re.compile(r"(?:[^%]|%[sd%])*")
"""A template for `%` without widths."""


def small(value: Any) -> Any:
    """The value, or UNKNOWN if it is larger than any sensible configuration: growing values are not
    followed."""
    if isinstance(value, str | list | tuple | dict) and len(value) > LONGEST:
        return UNKNOWN
    return UNKNOWN if isinstance(value, int) and abs(value) > 10**18 else value


def is_plain(value: Any) -> bool:
    """Whether a value is a string, a path, a number or None, not a container."""
    return value is None or isinstance(value, str | int | float | PurePosixPath)


def text(value: Any) -> str:
    """A string or path as a string. Raises TypeError for other types."""
    if isinstance(value, str | PurePosixPath):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no path")


def percent(template: str, values: Any) -> Any:
    """`template % values`, if the template is simple."""
    given = values if isinstance(values, tuple) else (values,)
    if not SIMPLE.fullmatch(template) or not all(map(is_plain, given)):
        return UNKNOWN
    return small(template % given)


def word(value: Any) -> Any:
    """A truth value from a word in a configuration."""
    if isinstance(value, str):
        return WORDS.get(value.strip().lower(), UNKNOWN)
    return bool(value) if isinstance(value, bool | int) or value is None else UNKNOWN


def database(url: Any) -> Any:
    """Django's DATABASES entry for a database URL."""
    if not isinstance(url, str) or "://" not in url:
        return UNKNOWN
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    name = unquote(parts.path[1:])
    if not scheme.startswith("sqlite"):
        name = name.strip("/")
    return {"ENGINE": ENGINES.get(scheme, scheme), "NAME": name or ":memory:"}


def _integer(value: Any = 0, *_: Any) -> Any:
    return int(value) if isinstance(value, str | int | float) else UNKNOWN


def _number(value: Any = 0) -> Any:
    return float(value) if isinstance(value, str | int | float) else UNKNOWN


def _text(value: Any = "") -> Any:
    if isinstance(value, PurePosixPath):
        return value.as_posix()
    return str(value) if isinstance(value, str | int | float | bool) else UNKNOWN


def _join(*parts: Any) -> Any:
    return posixpath.join(*map(text, parts))


def _normal(value: Any, *_: Any) -> Any:
    return posixpath.normpath(text(value))


def _a_path(*parts: Any) -> Any:
    return PurePosixPath(*map(text, parts))


def _sequence(kind: Callable[[Any], Any]) -> Callable[..., Any]:
    def make(value: Any = ()) -> Any:
        return kind(value) if isinstance(value, list | tuple | set | dict | str) else UNKNOWN

    return make


KNOWN: dict[str, Callable[..., Any]] = {
    "bool": lambda value=False: UNKNOWN if not _plain(value) else bool(value),
    "int": _integer,
    "float": _number,
    "str": _text,
    "list": _sequence(list),
    "tuple": _sequence(tuple),
    "set": _sequence(set),
    "os.path.join": _join,
    "os.path.dirname": lambda value: posixpath.dirname(text(value)),
    "os.path.basename": lambda value: posixpath.basename(text(value)),
    "os.path.abspath": _normal,
    "os.path.realpath": _normal,
    "os.path.normpath": _normal,
    "os.path.expanduser": lambda value: UNKNOWN if text(value).startswith("~") else value,
    "os.fspath": text,
    "pathlib.Path": _a_path,
    "pathlib.PurePath": _a_path,
    "pathlib.PosixPath": _a_path,
    "distutils.util.strtobool": word,
    "setuptools._distutils.util.strtobool": word,
    "environ.Path": _a_path,
    "dj_database_url.parse": lambda url, **_: database(url),
    "typing.cast": lambda _, value: value,
}
"""Full name -> function. If it raises, the value is unknown."""


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | list | tuple | set | dict)


def _of_text(value: str, name: str, arguments: list[Any]) -> Any:
    if name == "join":
        parts = arguments[0] if arguments and isinstance(arguments[0], list | tuple) else []
        whole = sum(len(part) + len(value) for part in parts if isinstance(part, str))
        return value.join(parts) if whole < LONGEST else UNKNOWN
    if not all(map(is_plain, arguments)) or (
        name == "format" and re.search(r"{[^}]*[:!.\[]", value)
    ):
        return UNKNOWN
    if name == "replace" and len(value) * max(1, len(str(arguments[-1]))) > LONGEST:
        return UNKNOWN
    return getattr(value, name)(*arguments)


def method(value: Any, name: str, arguments: list[Any]) -> Any:
    """The result of a method of a string, path, list or mapping."""
    if isinstance(value, str) and name in TEXT_METHODS:
        return _of_text(value, name, arguments)
    if isinstance(value, PurePosixPath):
        if name in ("resolve", "absolute", "expanduser"):
            return PurePosixPath(posixpath.normpath(value.as_posix()))
        if name == "joinpath":
            return value.joinpath(*map(text, arguments))
        if name == "as_posix":
            return value.as_posix()
        if name in ("with_name", "with_suffix"):
            return getattr(value, name)(*arguments)
        if name == "path":
            # django-environ's Path.
            return value.joinpath(*map(text, arguments))
    if isinstance(value, dict) and name == "get" and arguments:
        return value.get(*arguments)
    if isinstance(value, dict) and name in ("keys", "values"):
        return list(value.keys() if name == "keys" else value.values())
    if isinstance(value, dict | list) and name == "copy":
        return value.copy()
    return UNKNOWN


def cast(kind: str, value: Any) -> Any:
    """A variable's text converted by a method of an environment library: `bool`, `list`, ..."""
    if not isinstance(value, str):
        return value
    if kind in ("bool", "boolean"):
        return word(value)
    if kind in ("int", "float"):
        return KNOWN[kind](value)
    if kind in ("list", "tuple", "Csv"):
        return [item.strip() for item in value.split(",") if item.strip()]
    if kind in ("db", "db_url", "dj_db_url"):
        return database(value)
    if kind in ("path", "Path"):
        return PurePosixPath(value)
    return value if kind in ("", "str", "url") else UNKNOWN


IS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
