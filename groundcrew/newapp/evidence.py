"""Reads the project's start scripts: Procfile, Dockerfile, Compose files, shell scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from groundcrew.newapp.project import Project

SERVERS = r"\b(?:gunicorn|uvicorn|hypercorn|granian|daphne|waitress-serve|uwsgi|fastapi)\b"
TARGET = re.compile(
    r"(?<![\w./:-])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)(\(\))?(?![\w/])"
)
BARE = re.compile(r"(?<![\w./-])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\.(?:wsgi|asgi))(?![\w.:])")
STARTERS = re.compile(
    r"(^|/)(Procfile[\w.]*|Dockerfile[\w.-]*|[\w.-]*\.Dockerfile|(docker-)?compose[\w.-]*\.ya?ml|"
    r"[\w.-]*(entrypoint|entry|start|boot|run|serve)[\w.-]*|supervisord?[\w.-]*|[\w.-]*worker[\w.-]*\.conf|"
    r"(fly|railway|nixpacks)\.toml|app\.json|render\.yaml|[\w.-]+\.service)$"
)
SCRIPTS = re.compile(r"\.(sh|bash|conf|ini|service)$|^[^.]+$")
PASSED_OVER = re.compile(r"(^|/)(node_modules|tests?|docs|\.git|frontend|client|src-ui|web)/")
LOCAL = re.compile(r"dev|local|test|debug|ci\b", re.IGNORECASE)
HEALTH = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::[\w${}:-]+)?(/[\w./-]+)")
FIRST = re.compile(
    r"(?:python[\d.]*\s+|flask\s+|[\w./-]*manage\.py\s+)[\w./ -]*?"
    r"\b(create_tables|create_db|createdb|initdb|init_db|init-db|loaddata|createcachetable|initial_data|"
    r"bootstrap|seed|setup_db)\b[\w./ -]*"
)


@dataclass(frozen=True)
class Line:
    """A command and its file. Continued lines are joined."""

    path: str
    text: str


@cache
def lines(project: Project) -> tuple[Line, ...]:
    """All lines of the start scripts; those for production come first."""
    result: list[Line] = []
    for path in _files(project):
        text = re.sub(r"\\\n", " ", project.text(path))
        result += [
            Line(path, line.strip())
            for line in text.splitlines()
            if not re.match(r"\s*(#|//)", line)
        ]
    if project.parent is not None:
        result += lines(project.parent)
    return tuple(result)


def _files(project: Project) -> Iterator[str]:
    named = [
        path
        for path in project.files
        if not PASSED_OVER.search(path)
        and (STARTERS.search(path) or re.search(r"(^|/)s6-rc\.d/[^/]+/run$", path))
        and not path.endswith(
            (".py", ".md", ".rst", ".js", ".ts", ".html", ".json", ".png", ".svg")
        )
    ]
    yield from sorted(named, key=lambda path: (bool(LOCAL.search(path)), path.count("/") > 2, path))


def targets(project: Project) -> list[tuple[str, str]]:
    """Arguments of servers, `package.module:name`, with the server's name."""
    arguments = []
    for line in lines(project):
        text = re.sub(r"[\"',\[\]]", " ", line.text)
        server = re.search(SERVERS, text)
        if server is None or re.search(r"--reload\b", text):
            continue
        rest = text[server.start() :]
        for match in TARGET.finditer(rest):
            factory = "()" if match[3] or "--factory" in rest else ""
            arguments.append((f"{match[1]}:{match[2]}{factory}", server[0]))
        arguments += [(f"{match[1]}:application", server[0]) for match in BARE.finditer(rest)]
    return list(dict.fromkeys(arguments))


def health(project: Project) -> str | None:
    """The path that the Dockerfile's HEALTHCHECK requests; None if there is none."""
    for line in lines(project):
        name = line.path.rpartition("/")[2]
        if "ockerfile" not in name or LOCAL.search(name) or "HEALTHCHECK" not in line.text:
            continue
        match = HEALTH.search(line.text)
        if match and not re.search(r"\s(-L|--location)\b|-\w*L\w*\s", line.text):
            return match[1]
    return None


def first_steps(project: Project) -> list[Line]:
    """Commands, other than migrations, that scripts run before the application starts."""
    steps: dict[str, Line] = {}
    for line in lines(project):
        match = FIRST.search(line.text)
        if match and not LOCAL.search(line.path) and not re.search(r"\btest|echo\b", line.text):
            steps.setdefault(match[0].strip(), Line(line.path, match[0].strip()))
    return list(steps.values())[:4]
