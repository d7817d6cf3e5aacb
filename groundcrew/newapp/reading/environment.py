"""Calls that read environment variables, with `os` or with libraries."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from groundcrew.newapp.reading import calls
from groundcrew.newapp.reading.values import UNKNOWN, Class, Dotted, Instance, Read

if TYPE_CHECKING:
    from groundcrew.newapp.reading.reader import Frame

PLAIN = {"os.environ.get", "os.getenv", "os.environ.setdefault", "os.environ.pop"}
LIBRARIES = {"environ.Env", "environs.Env", "environs.EnvParser", "environ.FileAwareEnv",
             "decouple.Config", "decouple.AutoConfig", "starlette.config.Config",
             "dotenv.Env"}  # fmt: skip
CALLABLES = {"decouple.config", "environs.env"}
NAMELESS = {"db": "DATABASE_URL", "db_url": "DATABASE_URL", "dj_db_url": "DATABASE_URL",
            "cache": "CACHE_URL", "cache_url": "CACHE_URL", "email_url": "EMAIL_URL",
            "email": "EMAIL_URL"}  # fmt: skip
"""Methods that have a default variable name."""
NO_READS = {"read_env", "read_envfile", "seal", "prefixed", "add_parser", "as_dict", "update"}
NAME = re.compile(r"[A-Z][A-Z0-9_]+")
FLAG = re.compile(r"bool|flag|truthy", re.IGNORECASE)


def read(node: ast.Call, function: Any, owner: Any, frame: Frame) -> tuple[Any] | None:
    """The value of a call that reads a variable, in a tuple; None if the call does not. `owner` is
    the object whose method is called."""
    if isinstance(function, Dotted):
        if function.name in PLAIN:
            return (_plain(node, frame),)
        if function.name == "dj_database_url.config":
            return (_database(node, frame),)
        if function.name in CALLABLES:
            return (_library(node, "", {}, frame),)
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    reader = owner if method else function
    if method in NO_READS:
        return None
    if isinstance(reader, Dotted) and reader.name in CALLABLES:
        return (_library(node, method, {}, frame),)
    if isinstance(reader, Instance) and _is_library(reader.of):
        typed = isinstance(reader.of, Dotted) and reader.of.name.startswith("environ.")
        return (_library(node, method, _declared(reader, frame), frame, typed=typed),)
    return None


def _is_library(of: Class | Dotted) -> bool:
    if isinstance(of, Class):
        return of.derives_from("Env", "FileAwareEnv")
    return of.name in LIBRARIES


def helper(node: ast.Call, frame: Frame) -> Any:
    """A call of the project's own helper that takes a variable's name and a default, if its body
    could not be evaluated."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    first = frame.evaluate(node.args[0]) if node.args else None
    if not isinstance(first, str) or not NAME.fullmatch(first) or "env" not in name.lower():
        return UNKNOWN
    default = _argument(node, 1, "default", frame)
    if default is None:
        frame.reader.note(Read(first))
        return UNKNOWN
    value = frame.reader.variable(Read(first, default[0]))
    return calls.word(value) if FLAG.search(name) else value


def _plain(node: ast.Call, frame: Frame) -> Any:
    name = frame.evaluate(node.args[0]) if node.args else _key(node, frame)
    default = _argument(node, 1, "default", frame)
    if not isinstance(name, str):
        return UNKNOWN if default is None else default[0]
    return frame.reader.variable(Read(name, None if default is None else default[0]))


def _key(node: ast.Call, frame: Frame) -> Any:
    key = _argument(node, 9, "key", frame)
    return key[0] if key else UNKNOWN


def _library(
    node: ast.Call,
    method: str,
    declared: dict[str, tuple[str, Any]],
    frame: Frame,
    *,
    typed: bool = False,
) -> Any:
    name = frame.evaluate(node.args[0]) if node.args else NAMELESS.get(method)
    if name is None:
        named = _argument(node, 9, "var", frame)
        name = named[0] if named else None
    if not isinstance(name, str) or not calls.IS_NAME.fullmatch(name):
        return UNKNOWN
    kind = method or _kind(node)
    # In decouple, starlette and django-environ, the second argument may be the type.
    second = len(node.args) > 1 and _is_type(node.args[1])
    place = 2 if second or (typed and method in ("", "list", "tuple", "dict")) else 1
    default = _argument(node, place, "default", frame)
    if name in declared:
        kind = kind or declared[name][0]
        default = (declared[name][1],) if default is None else default
    if name in frame.reader.environment:
        return calls.cast(kind, frame.reader.variable(Read(name)))
    value = frame.reader.variable(
        Read(name, demanded=True) if default is None else Read(name, default[0])
    )
    return calls.cast(kind, value)


def _database(node: ast.Call, frame: Frame) -> Any:
    name = _argument(node, 0, "env", frame)
    default = _argument(node, 1, "default", frame)
    wanted = name[0] if name and isinstance(name[0], str) else "DATABASE_URL"
    value = frame.reader.variable(Read(wanted, default[0] if default else None))
    return {} if value is None else calls.database(value)


def _declared(instance: Instance, frame: Frame) -> dict[str, tuple[str, Any]]:
    """Variable -> type and default, from `environ.Env(DEBUG=(bool, False))`."""
    pairs = {}
    for keyword in instance.call.keywords:
        value = frame.evaluate(keyword.value)
        if keyword.arg and isinstance(value, tuple) and len(value) == 2:
            kind = value[0].last if isinstance(value[0], Dotted) else ""
            pairs[keyword.arg] = (kind, value[1])
    return pairs


def _kind(node: ast.Call) -> str:
    """The type in `cast=bool`."""
    wanted = [item.value for item in node.keywords if item.arg == "cast"]
    wanted += [item for item in node.args[1:2] if _is_type(item)]
    for item in wanted:
        inner = item.func if isinstance(item, ast.Call) else item
        return inner.id if isinstance(inner, ast.Name) else getattr(inner, "attr", "?")
    return ""


def _is_type(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("bool", "int", "str", "float", "list")


def _argument(node: ast.Call, place: int, name: str, frame: Frame) -> tuple[Any] | None:
    if len(node.args) > place:
        return (frame.evaluate(node.args[place]),)
    for keyword in node.keywords:
        if keyword.arg == name:
            return (frame.evaluate(keyword.value),)
    return None
