"""Finds the environment variables that a manifest must set."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from groundcrew.newapp import environment
from groundcrew.newapp.django import OFF, DjangoSettings
from groundcrew.newapp.environment import Variables
from groundcrew.newapp.project import Project
from groundcrew.newapp.reading.expressions import evaluate
from groundcrew.newapp.reading.reader import Frame, Reader
from groundcrew.newapp.reading.values import UNKNOWN, Class
from groundcrew.newapp.settings_classes import Field
from groundcrew.newapp.syntax import text

if TYPE_CHECKING:
    from groundcrew.newapp.guess import Guess

SHOWN = 20
"""Maximum number of variables that a sentence names."""
KIND = re.compile(r"(^|_)(ENV|ENVIRONMENT|STAGE|DEPLOYMENT)$")
DEVELOPMENT = re.compile(r"dev|local|test|debug", re.IGNORECASE)


def variables(
    project: Project,
    reader: Reader,
    settings: DjangoSettings | None,
    modules: list[str],
    result: Guess,
) -> list[str]:
    """Sets the variables that the source requires, or reports what is missing. Returns the optional
    ones."""
    factory = result.entry.name if result.entry.name.endswith("()") else ""
    if settings is not None:
        modules = _without_other_settings(settings, modules)
    asked = environment.scan(project, reader, modules, factory)
    secret_keys = _secret_keys(project, reader, settings, modules, result)
    for name in asked.demanded:
        _demanded(name, asked, project, name in secret_keys, result)
    if result.given:
        result.checks.append(
            f"secrets: export {', '.join(result.given)} before you deploy, or name another source"
        )
    # Secrets with a fallback value in the source are known to everybody who has the source.
    fields = {item.name: item.own for item in asked.fields}
    own = [name for name in asked.optional if _is_own(name, fields, project)]
    result.generated += [
        name for name in dict.fromkeys([*own, *secret_keys]) if name not in result.generated
    ]
    _switches(project, asked, modules, result)
    if settings is None:
        for frame in environment.frames(reader, modules):
            _debug(project, frame, result)
    for names in reader.either:
        if not {*names} & {*result.generated, *result.given, *result.env}:
            result.checks.append(f"env: it stops unless one of {', '.join(names)} is set")
    return asked.optional


def rest(optional: list[str], result: Guess) -> None:
    """Reports optional variables that the manifest does not set."""
    mentioned = {*result.generated, *result.given, *result.env, *result.hosts_from}
    known = [name for name in optional if name not in mentioned]
    if known:
        more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
        result.checks.append(f"env: it also reads {', '.join(known[:SHOWN])}{more}")


def _without_other_settings(settings: DjangoSettings, modules: list[str]) -> list[str]:
    """Leaves out settings modules of other environments, which nothing imports."""
    parent = settings.module.rpartition(".")[0]
    used = environment.reachable(settings.project, [settings.module], named=False)
    return [
        name
        for name in modules
        if name in used or not parent or name.rpartition(".")[0] != parent or "settings" not in name
    ]


def _demanded(name: str, asked: Variables, project: Project, is_key: bool, result: Guess) -> None:
    item = next((item for item in asked.fields if item.name == name), None)
    if is_key or _is_own(name, {name: item.own} if item else {}, project):
        result.generated.append(name)
    elif environment.SECRET.search(name):
        result.given.append(name)
    else:
        value = _value(name, item)
        result.env[name] = value or ""
        if value is None:
            result.open.append(name)
            result.checks.append(f"env: {name} is required; fill in its value")


def _is_own(name: str, fields: dict[str, str], project: Project) -> bool:
    """Whether a variable, with or without its prefix, is a secret that the host can generate."""
    own = fields.get(name, name)
    return not environment.FOREIGN.search(name) and (
        environment.is_own(name, project) or environment.is_own(own, project)
    )


def _value(name: str, item: Field | None) -> str | None:
    """A value that follows from the name and the type; None if there is none."""
    if item is None:
        return None
    if "production" in item.choices:
        return "production"
    return "true" if item.annotation == "bool" and re.search(r"(^|_)PRODUCTION$", name) else None


def _secret_keys(
    project: Project,
    reader: Reader,
    settings: DjangoSettings | None,
    modules: list[str],
    result: Guess,
) -> list[str]:
    """The variables that set the framework's SECRET_KEY. A hard-coded key is reported."""
    names: list[str] = []
    doubt = ""
    frames = environment.frames(reader, modules)
    if settings is not None:
        frames = [settings.frame] if settings.frame else []
    for frame in frames:
        for value, origins in _keys(frame):
            secret = [name for name in origins if re.search(r"SECRET|KEY|SALT", name)]
            secret = [name for name in secret if not environment.FOREIGN.search(name)]
            names += secret[:1]
            if not origins and value is UNKNOWN and settings is None:
                doubt = project.by_name[frame.module].path
            if not origins and isinstance(value, str) and value:
                module = project.by_name[frame.module].path
                result.checks.append(
                    f"secrets: SECRET_KEY is written down in {module}, so that everybody who has "
                    "the source can forge sessions; have it read from the environment"
                )
                return names
    if doubt and not names:
        result.checks.append(
            f"secrets: where SECRET_KEY of {doubt} comes from could not be made out; each worker "
            "must have the same, and nobody else may know it"
        )
    return list(dict.fromkeys(names))


def _keys(frame: Frame) -> Iterator[tuple[object, list[str]]]:
    if "SECRET_KEY" in frame.names:
        value = frame.reader.resolved(frame.names["SECRET_KEY"])
        yield value, sorted(frame.origins.get("SECRET_KEY", ()))
    for item in _classes(frame, "SECRET_KEY"):
        yield item.names["SECRET_KEY"], sorted(item.origins.get("SECRET_KEY", ()))
    module = frame.reader.project.by_name[frame.module]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            named = isinstance(target, ast.Attribute) and target.attr == "secret_key"
            if named or (isinstance(target, ast.Subscript) and text(target.slice) == "SECRET_KEY"):
                with frame.reader.watching() as origins:
                    value = evaluate(node.value, frame)
                yield value, sorted(origins)


def _classes(frame: Frame, name: str) -> Iterator[Class]:
    """Configuration classes of a module that set a name, except those for tests or development and
    pydantic settings."""
    for item in frame.names.values():
        if not isinstance(item, Class) or item.module != frame.module or name not in item.names:
            continue
        if not DEVELOPMENT.search(item.node.name) and not item.derives_from("BaseSettings"):
            yield item


def _switches(project: Project, asked: Variables, modules: list[str], result: Guess) -> None:
    """Turns off switches for development that are on by default."""
    for item in asked.fields:
        if re.search(r"(^|_)DEBUG$", item.name) and item.default is True:
            result.env[item.name] = "false"
        elif "production" in item.choices and item.default != "production":
            result.env.setdefault(item.name, "production")
    for name, read in asked.reads.items():
        default = read.default
        if KIND.search(name) and isinstance(default, str) and DEVELOPMENT.search(default):
            if _speaks_of_production(name, project, modules):
                result.env.setdefault(name, "production")
            else:
                result.checks.append(
                    f'env: {name} is "{default}" unless it is set; set what it calls production'
                )


def _speaks_of_production(variable: str, project: Project, modules: list[str]) -> bool:
    """Whether a module that reads the variable contains the string "production"."""
    texts = (project.text(project.by_name[name].path) for name in modules)
    return any(variable in text and re.search("[\"']production[\"']", text) for text in texts)


def _debug(project: Project, frame: Frame, result: Guess) -> None:
    """Handles a DEBUG that is on by default in a module or in a configuration class."""
    places: list[tuple[object, frozenset[str], str]] = []
    if "DEBUG" in frame.names:
        places.append((frame.names["DEBUG"], frame.origins.get("DEBUG", frozenset()), ""))
    for item in _classes(frame, "DEBUG"):
        origins = item.origins.get("DEBUG", frozenset())
        places.append((item.names["DEBUG"], origins, item.node.name))
    for value, origins, owner in places:
        if value is not True:
            continue
        path = project.by_name[frame.module].path
        for name in sorted(origins):
            off = next((word for word in OFF if _with(project, frame, owner, name, word)), None)
            if off is not None:
                result.env[name] = off
                break
        else:
            result.checks.append(
                f"env: DEBUG is on in {path}, and no variable turns it off: visitors would see "
                "errors with code and settings"
            )


def _with(project: Project, frame: Frame, owner: str, name: str, word: str) -> bool:
    """Whether DEBUG is off if the variable has this value."""
    again = Reader(project, {name: word}).read(frame.module)
    names = again.names if again else {}
    if owner:
        item = names.get(owner)
        names = item.names if isinstance(item, Class) else {}
    return "DEBUG" in names and names["DEBUG"] is False
