"""Handles the databases of a Django project."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from groundcrew.newapp import django
from groundcrew.newapp.django import DjangoSettings
from groundcrew.newapp.reading.values import UNKNOWN, path

if TYPE_CHECKING:
    from groundcrew.newapp.guess import Guess

FILE = re.compile(r"(SQLITE|DATABASE|DB)_?(PATH|FILE|NAME|URL)?$|(^|_)(DATABASE|DB)_")
OTHER_DATABASE = re.compile(
    r"POSTGRES|MYSQL|MARIA|PG|REDIS|HOST|USER|PASS|PORT|ENGINE|OPTIONS|TEST"
)


def databases(settings: DjangoSettings, result: Guess) -> None:
    """Reports the databases, and moves SQLite files to directories that are kept across
    releases."""
    entries = settings.databases
    default = entries.get("default", {})
    if not default.get("ENGINE") and settings.get("DATABASES") is not UNKNOWN:
        reads = [name for name in settings.reader.reads if re.search(r"(^|_)DATABASE_URL$", name)]
        name = next((item for item in ("DATABASE_URL", *reads) if item in reads), None)
        if name is not None and name not in result.given:
            result.given.append(name)
            result.checks.append(f"database: {name} names it; export it before you deploy")
        elif name is None:
            result.checks.append("database: what DATABASES is could not be made out")
        return
    asked = any(name in settings.reader.demanded for name in settings.origins("DATABASES"))
    if not asked and UNKNOWN in (settings.get("DATABASES"), default.get("ENGINE")):
        result.checks.append("database: what DATABASES is could not be made out")
    for alias, entry in entries.items():
        engine = entry.get("ENGINE")
        if _is_sqlite(entry):
            _sqlite(alias, settings, result)
        elif isinstance(engine, str) and alias == "default":
            variables = settings.origins("DATABASES")
            where = f", as {', '.join(variables[:8])} set it" if variables else ""
            result.checks.append(f"database: it is {engine.rpartition('.')[2]}{where}")


def _is_sqlite(entry: dict[str, Any]) -> bool:
    engine = entry.get("ENGINE")
    return isinstance(engine, str) and "sqlite" in engine


def _sqlite(alias: str, settings: DjangoSettings, result: Guess) -> None:
    if alias != "default":
        result.release_hooks += [f"{hook} --database={alias}" for hook in result.release_hooks[:1]]
    name = settings.databases[alias].get("NAME")
    if name == ":memory:":
        return
    file, outside = django.within(settings.project, name)
    if file is None and not outside:
        result.checks.append(
            f"database: where the SQLite file of {alias} lies could not be made out"
        )
        return
    folder = file.rpartition("/")[0] if file else ""
    if folder and not _is_code(settings, folder):
        result.share(folder)
        return
    last = str(path(name)).rpartition("/")[2]
    if _point(alias, f"data/{last}", settings, result):
        return
    if file is None:
        result.checks.append(
            f"database: {path(name)} is no place that outlives releases; move it into a directory "
            'of the source (BASE_DIR / "data" / ...), and add that to shared'
        )
    else:
        result.checks.append(
            f"database: {file} lies beside the code, which is read-only and replaced by "
            'each release; move it into a directory (BASE_DIR / "data" / ...), '
            "and add that to shared"
        )


def _is_code(settings: DjangoSettings, folder: str) -> bool:
    return settings.project.has(f"{folder}/__init__.py")


def _point(alias: str, wanted: str, settings: DjangoSettings, result: Guess) -> bool:
    """Moves a SQLite database to its own directory, if a variable can set its path."""
    for variable in [*settings.origins("DATABASES"), *settings.reader.reads]:
        if not FILE.search(variable) or OTHER_DATABASE.search(variable):
            continue
        kept = "/srv/{name}/shared/" + wanted
        for value in (kept, f"sqlite:///{kept}"):
            entry = settings.given(**{variable: value}).databases.get(alias, {})
            if _is_sqlite(entry) and path(entry.get("NAME")) == kept:
                result.env[variable] = value
                result.share(wanted.rpartition("/")[0])
                return True
    return False
