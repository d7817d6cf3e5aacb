"""Finds directories that an application writes to, which must be kept across releases."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from groundcrew.newapp.django import within
from groundcrew.newapp.project import Project
from groundcrew.newapp.reading.reader import Frame, Reader
from groundcrew.newapp.reading.values import UNKNOWN, Class
from groundcrew.newapp.syntax import called, strings, text

SQLITE = re.compile(r"(?:sqlite(?:\+\w+)?:///)?(?!/)([\w./-]+)/[\w-]+\.(?:db|sqlite3?)")
"""A relative path of a SQLite file, or a URL with one."""
URL = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>/?[\w./ -]+)")
KEPT = re.compile(
    r"(DATA|LOGS?|LOGGING|MEDIA|UPLOAD|STORAGE|CONSUM\w*|ATTACHMENT|INGEST|ARCHIVE|FILES|INDEX|PERSIST|BACKUP)\w*_"
    r"?(DIR|DIRECTORY|ROOT|PATH|FOLDER)$|^(DATA|UPLOAD|STORAGE)_?(DIR|FOLDER|PATH|ROOT)?$"
)
PLAIN = re.compile(r"[\w./-]+")
MAKERS = ("mkdir", "makedirs")
WRITERS = ("FileHandler", "RotatingFileHandler", "TimedRotatingFileHandler")
DATA_VARIABLE = re.compile(r"(^|_)DATA_(DIR|DIRECTORY|PATH|ROOT|FOLDER)$")


@dataclass(frozen=True)
class Beside:
    """A SQLite file that is not in a directory of its own."""

    path: str
    variables: tuple[str, ...]


def named(project: Project, frames: list[Frame]) -> Iterator[str]:
    """Directories in the source that settings name and the source does not contain."""
    paths: list[str] = []
    for frame in frames:
        for name, value, _ in _names(frame):
            folder = _folder(project, value) if KEPT.search(name) else None
            if folder is not None:
                paths.append(folder)
    for folder in sorted(set(paths)):
        if not any(folder.startswith(f"{other}/") for other in paths):
            yield folder


def _names(frame: Frame) -> Iterator[tuple[str, Any, frozenset[str]]]:
    """Names in a module and in its classes, with their values and the variables they come from."""
    for name, value in frame.names.items():
        yield name, value, frame.origins.get(name, frozenset())
        if isinstance(value, Class) and value.module == frame.module:
            for inner, item in value.names.items():
                yield inner, item, value.origins.get(inner, frozenset())


def _folder(project: Project, value: Any) -> str | None:
    if not isinstance(value, str | PurePosixPath) or not str(value) or "://" in str(value):
        return None
    if isinstance(value, str) and "/" not in value and not re.fullmatch(r"[\w-]+", value):
        return None
    folder, _ = within(project, value)
    if folder is None or re.search(r"\.\w{1,8}$", folder) or folder.count("/") > 4:
        return None
    # The application does not write to directories that come with the source.
    brought = [path for path in project.files if path.startswith(f"{folder}/")]
    if project.has(folder) or any(not path.rpartition("/")[2].startswith(".") for path in brought):
        return None
    return folder


def sqlite(project: Project, frames: list[Frame]) -> tuple[list[str], list[Beside]]:
    """Directories of SQLite files, and SQLite files without a directory of their own."""
    folders: list[str] = []
    beside: list[Beside] = []
    for frame in frames:
        for _, value, origins in _names(frame):
            match = URL.fullmatch(value) if isinstance(value, str) else None
            if match is None or match["path"].strip("/") in ("", ":memory:"):
                continue
            file, _ = within(project, match["path"])
            if file is None:
                outside = Beside(match["path"], tuple(sorted(origins)))
                beside.append(outside)
                continue
            folder = file.rpartition("/")[0]
            if folder and not _has_code(project, folder):
                folders.append(folder)
            else:
                beside.append(Beside(file, tuple(sorted(origins))))
    return folders, beside


def _has_code(project: Project, folder: str) -> bool:
    return any(path.startswith(f"{folder}/") and path.endswith(".py") for path in project.files)


def literal(project: Project, modules: list[str]) -> Iterator[str]:
    """Directories of SQLite files in literal strings with a relative path."""
    for name in modules:
        module = project.by_name.get(name)
        for match in filter(None, map(SQLITE.fullmatch, strings(module.tree) if module else [])):
            folder = match[1].removeprefix("./")
            if not folder.startswith("..") and not _has_code(project, folder):
                yield folder


def written(project: Project, modules: list[str]) -> Iterator[str]:
    """Directories that the code creates or logs to, by a literal relative path."""
    for name in modules:
        module = project.by_name.get(name)
        for node in ast.walk(module.tree) if module else ():
            if not isinstance(node, ast.Call) or not node.args:
                continue
            given = text(node.args[0])
            if given is None or given.startswith(("/", ".", "~")) or not PLAIN.fullmatch(given):
                continue
            if called(node) in MAKERS:
                yield given.strip("/")
            elif called(node) in WRITERS and "/" in given:
                yield given.rpartition("/")[0]


def data_variables(reader: Reader, project: Project) -> dict[str, Any]:
    """Variables for data directories whose default lies outside of the source -> default."""
    variables = {}
    for name, read in reader.reads.items():
        if DATA_VARIABLE.search(name):
            inside, _ = within(project, read.default)
            if inside is None and read.default is not UNKNOWN:
                variables[name] = read.default
    return variables
