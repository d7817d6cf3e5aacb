"""Checks that no single model can make: how a host's applications fit together and what they
need."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import SecretStr, ValidationError

from groundcrew.manifest import config_render, generated
from groundcrew.manifest.model import AppSettings
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
"""Environment variables from which a server reads settings, by its type."""
BUILD_VARIABLES = re.compile(
    "HOME|LANG|LD_.+|NODE_EXTRA_CA_CERTS|PATH|SSL_CERT_FILE|VIRTUAL_ENV|"
    "UV_(CACHE_DIR|NO_CONFIG|NO_PROGRESS|PYTHON_DOWNLOADS)"
)
"""Variables that builds set themselves (see groundcrew/remote/build_release.py)."""
Report = Callable[[tuple[str, ...], str], Problem]


def servers(
    apps: Mapping[str, AppSettings], upstream_timeout: int, problem: Report
) -> list[Problem]:
    """Every server has an entry, and keeps its connections longer than nginx does.

    `upstream_timeout` is `nginx.upstream_keepalive_timeout` in seconds.
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
    """No application of a host in group `prod` is in development mode, unless it is forced."""
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
    """Every file that a manifest names on the operator's machine exists."""
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
    """The values derived from a size fit the settings; `auto` may become any size."""
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
    """Every required variable is set, and no variable is set twice or overrides other settings."""
    problems = []
    for name, app in apps.items():
        for key in app.required:
            if app.env.get(key) is None and key not in {*app.secrets, *_of_needs(app)}:
                problems.append(
                    problem(
                        ("app", name, "required"),
                        f"{key} is required but set neither in env nor in secrets nor by needs",
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
        for key in app.build_secrets:
            if BUILD_VARIABLES.fullmatch(key):
                text = f"builds have a {key} of their own; choose another name"
                problems.append(problem(("app", name, "build_secrets", key), text))
        for block in ("env", "secrets"):
            for key in getattr(app, block):
                if theirs and theirs.fullmatch(key):
                    problems.append(
                        problem(
                            ("app", name, block, key),
                            f"{app.server.type} reads settings from it, which would override "
                            "`server`: set them there",
                        )
                    )
        for block in ("secrets", "build_secrets"):
            for key in app.env.keys() & getattr(app, block).keys():
                problems.append(
                    problem(("app", name, block, key), f"{key} is set in env too; remove one")
                )
    return problems


def _of_needs(app: AppSettings) -> set[str]:
    """Variables that the application's needs set."""
    return {key for name, need in app.needs.items() for key in need.variables(name)}


def read_secrets(
    apps: Mapping[str, AppSettings],
    machine: secrets.Machine,
    problem: Report,
    needed: bool = True,
) -> tuple[dict[str, dict[str, SecretStr]], list[Problem]]:
    """The values of all secrets, by application, and all problems. The operator's are only read if
    `needed`."""
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
                    values[name][key] = secrets.resolve(source, machine)
            except secrets.SecretMissingError as error:
                place = error.at(("app", name, "secrets", key))
                problems.append(problem(place, str(error)))
    return values, problems


def read_build_secrets(
    apps: Mapping[str, AppSettings],
    machine: secrets.Machine,
    problem: Report,
    needed: bool = True,
) -> tuple[dict[str, dict[str, SecretStr]], list[Problem]]:
    """The values of all build secrets, by application, and all problems. They are only read if
    `needed`."""
    values: dict[str, dict[str, SecretStr]] = {}
    problems = []
    for name, app in apps.items():
        values[name] = {}
        for key, source in app.build_secrets.items():
            try:
                why = "nobody would know a generated value"
                value = secrets.of_operator(source, machine, needed, why)
                if value is not None:
                    values[name][key] = value
            except secrets.SecretMissingError as error:
                place = error.at(("app", name, "build_secrets", key))
                problems.append(problem(place, str(error)))
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
        # If a secret has no value, that has already been reported.
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
