"""What no single model can check: how a host's applications fit together and what they need."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import SecretStr, ValidationError

from groundcrew.apps import config_render, generated
from groundcrew.apps.model import AppSettings
from groundcrew.settings import secrets, source_checks
from groundcrew.settings.errors import Problem
from groundcrew.settings.merge import Merged
from groundcrew.settings.weak import is_weak, looks_secret
from groundcrew.sizes import PROFILES, sized

OWN_VARIABLES = {
    "gunicorn": re.compile("GUNICORN_CMD_ARGS"),
    "uvicorn": re.compile("UVICORN_.+"),
    "uwsgi": re.compile("UWSGI_.+"),
}
"""Variables that a server takes settings from, by its type."""
Report = Callable[[tuple[str, ...], str], Problem]


def servers(
    apps: Mapping[str, AppSettings], upstream_timeout: int, problem: Report
) -> list[Problem]:
    """Every server has something to run, and keeps its connections longer than nginx does.

    `upstream_timeout` is `nginx.upstream_keepalive_timeout`.
    """
    problems = []
    for name, app in apps.items():
        if app.entry is None and app.server.type != "command":
            problems.append(problem(("app", name, "entry"), "is required"))
        kept = getattr(app.server, "keep_alive", None) if app.server.keeps_connections else None
        if kept is not None and kept <= upstream_timeout:
            problems.append(
                problem(
                    ("app", name, "server", "keep_alive"),
                    f"{kept} s is not longer than nginx.upstream_keepalive_timeout "
                    f"({upstream_timeout} s): requests would be lost over connections that the "
                    "server closes just then",
                )
            )
    return problems


def production(apps: Mapping[str, AppSettings], merged: Merged) -> list[Problem]:
    """No application of a host in group `prod` is in development mode by mistake."""
    return [
        Problem(
            f"app.{name}.mode",
            merged.nearest_origin(("app", name, "mode")),
            "development mode is refused on hosts in group `prod`; `force_development: true` "
            "allows it",
        )
        for name, app in apps.items()
        if app.mode == "development" and not app.force_development
    ]


def files(apps: Mapping[str, AppSettings], project: Path, problem: Report) -> list[Problem]:
    """What the manifests name on the operator's machine must be there."""
    problems = []
    for name, app in apps.items():
        problems += [
            problem(("app", name, *key), message)
            for key, message in source_checks.problems(app, project)
        ]
        page = app.maintenance.page
        if page and not (project / Path(page).expanduser()).is_file():
            problems.append(
                problem(("app", name, "maintenance", "page"), f"no file {project / page}")
            )
        for path, file in app.files.items():
            if not (project / Path(file.template).expanduser()).is_file():
                problems.append(
                    problem(
                        ("app", name, "files", path, "template"),
                        f"no file {project / file.template}",
                    )
                )
    return problems


def sizes(apps: Mapping[str, AppSettings], problem: Report) -> list[Problem]:
    """What a size derives goes with what is set; `auto` may turn out to be any of them."""
    problems = []
    for name, app in apps.items():
        for size in PROFILES if app.size == "auto" else [app.size] if app.size else []:
            try:
                sized(app, size)
            except ValidationError as error:
                reason = error.errors()[0]["msg"].removeprefix("Value error, ")
                problems.append(problem(("app", name, "size"), f"on a {size} host, {reason}"))
    return problems


def environment(apps: Mapping[str, AppSettings], problem: Report) -> list[Problem]:
    """Every required variable is set, and none twice."""
    problems = []
    for name, app in apps.items():
        for key in app.required:
            if app.env.get(key) is None and key not in app.secrets:
                problems.append(
                    problem(
                        ("app", name, "required"),
                        f"{key} is required but set neither in env nor in secrets",
                    )
                )
        for key, value in app.env.items():
            if isinstance(value, str) and looks_secret(key) and value and is_weak(value):
                problems.append(
                    problem(
                        ("app", name, "env", key),
                        "a well-known default where a secret belongs; use secrets",
                    )
                )
        theirs = OWN_VARIABLES.get(app.server.type)
        for block in ("env", "secrets"):
            for key in getattr(app, block):
                if theirs and theirs.fullmatch(key):
                    problems.append(
                        problem(
                            ("app", name, block, key),
                            f"{app.server.type} takes settings from it, against those of `server`: "
                            "say it there",
                        )
                    )
        for key in app.env.keys() & app.secrets.keys():
            problems.append(
                problem(("app", name, "secrets", key), f"{key} is set in env too; remove one")
            )
    return problems


def read_secrets(
    apps: Mapping[str, AppSettings], project: Path, problem: Report, needed: bool = True
) -> tuple[dict[str, dict[str, SecretStr]], list[Problem]]:
    """The values of all secrets, per application; the operator's are left out unless `needed`."""
    values: dict[str, dict[str, SecretStr]] = {}
    problems = []
    for name, app in apps.items():
        values[name] = {}
        for key, source in app.secrets.items():
            if source.generate and source.kinds == ["generate"]:
                values[name][key] = SecretStr(generated.token(name, key, source.generate))
                continue
            try:
                secrets.check(source)
                if needed:
                    values[name][key] = secrets.resolve(source, project)
            except secrets.SecretMissingError as error:
                problems.append(problem(("app", name, "secrets", key), str(error)))
    return values, problems


def config_files(
    apps: Mapping[str, AppSettings],
    secrets: Mapping[str, Mapping[str, SecretStr]],
    project: Path,
    problem: Report,
) -> list[Problem]:
    """Every configuration file can be rendered."""
    problems = []
    for name, app in apps.items():
        known = {key: value.get_secret_value() for key, value in secrets[name].items()}
        # Without a value for each of them there is an error already.
        if not app.files or known.keys() != app.secrets.keys():
            continue
        context = config_render.context(name, app, known)
        for path, file in app.files.items():
            template = project / Path(file.template).expanduser()
            if template.is_file():
                try:
                    config_render.render(template, context)
                except config_render.ConfigFileError as error:
                    problems.append(problem(("app", name, "files", path, "template"), str(error)))
    return problems
