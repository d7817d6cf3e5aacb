"""What bin/new-app says about requirements, Python and front ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundcrew.newapp import needs
from tests.unit.newapp_trees import look, text, told, written

APP = {"app.py": "from flask import Flask\napp = Flask('x')\n"}
PROJECT = '[project]\nname = "x"\ndependencies = ["flask"]\n'
POETRY = '[tool.poetry.dependencies]\npython = "^3.10"\nflask = "*"\npsycopg2 = "*"\n'
BUILD = '{"scripts": {"build": "vite build"}}'


@pytest.mark.parametrize(
    ("files", "taken"),
    [
        ({"uv.lock": "", "pyproject.toml": PROJECT, "requirements.txt": ""}, "uv.lock"),
        # The lock of a workspace or of tools has nothing of this application's.
        ({"uv.lock": "", "pyproject.toml": "[tool.x]\n", "requirements.txt": ""},
         "requirements.txt"),
        ({"requirements/base.txt": "", "requirements/production.txt": "",
          "requirements/local.txt": ""}, "requirements/production.txt"),
        ({"requirements.txt": "", "requirements/prod.txt": ""}, "requirements/prod.txt"),
        ({"requirements-dev.txt": "", "requirements.txt": ""}, "requirements.txt"),
        ({"requirements/base.txt": "", "requirements/dev.txt": ""}, "requirements/base.txt"),
        ({"pyproject.toml": PROJECT}, "pyproject.toml"),
        ({"pyproject.toml": '[project]\nname = "x"\n'}, None),
    ],
)  # fmt: skip
def test_the_requirements_for_production(
    tmp_path: Path, files: dict[str, str], taken: str | None
) -> None:
    result = look(tmp_path, APP | files)
    assert written(result).requirements == taken
    assert ("# requirements: requirements.txt" in text(result)) is (taken is None)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"poetry.lock": "", "pyproject.toml": POETRY}, "`poetry export --output require"),
        ({"poetry.lock": "", "pyproject.toml": PROJECT}, "poetry.lock is not read"),
        ({"Pipfile": "", "Pipfile.lock": ""}, "`pipenv requirements --hash > requirements.txt`"),
        ({"setup.py": ""}, "setup.py is not run to find out what it needs"),
        ({"environment.yml": ""}, "conda's environment.yml is not read"),
        ({"pyproject.toml": PROJECT}, "uv lock pins what it leaves open"),
        ({}, "without one only the server is installed"),
    ],
)  # fmt: skip
def test_the_way_out_is_told(tmp_path: Path, files: dict[str, str], sentence: str) -> None:
    assert sentence in told(look(tmp_path, APP | files))


def test_the_lock_of_a_workspace(tmp_path: Path) -> None:
    result = look(
        tmp_path,
        {
            "uv.lock": "",
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["api"]\n',
            "api/pyproject.toml": PROJECT,
            "api/shop/__init__.py": "",
            "api/shop/web.py": APP["app.py"],
        },
    )
    assert (result.inside, result.requirements) == ("api", "pyproject.toml")
    assert "`uv export --frozen --package NAME" in told(result)


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        (">=3.9", None),
        (">=3.11,<4", None),
        ("^3.10", None),
        (">=3.12", "3.13"),
        (">=3.13,<3.14", "3.13"),
        (">=3.11, <3.12", "3.11"),
        ("==3.11.*", "3.11"),
        ("<3.13", "3.11"),
        (">=3.12.2,<3.13", "3.12"),
        ("~=3.12.0", "3.12"),
        (">=3.14", "3.14"),
        (">=3.10,<3.11", "3.10"),
        ("!=3.13.*", "3.11"),
        ("3.x or so", None),
    ],
)
def test_the_python_that_fits(asked: str, taken: str | None) -> None:
    assert needs.version(asked) == taken


def test_the_python_is_set_and_told(tmp_path: Path) -> None:
    project = PROJECT + 'requires-python = ">=3.12,<3.13"\n'
    result = look(tmp_path, APP | {"pyproject.toml": project})
    assert written(result).python == "3.12"
    assert "it asks for >=3.12,<3.13; Debian 12 has 3.11, Debian 13 3.13; 3.12 was" in told(result)


def test_drivers_that_are_extras(tmp_path: Path) -> None:
    more = '[project.optional-dependencies]\nmysql = ["mysqlclient"]\ndev = ["pytest"]\n'
    result = look(tmp_path, APP | {"pyproject.toml": PROJECT + more})
    assert "extras: mysql brings mysqlclient" in told(result)
    assert "dev brings" not in told(result)


@pytest.mark.parametrize(
    ("requirements", "service"),
    [
        ("psycopg[binary]==3.2\n", "PostgreSQL (psycopg)"),
        ("-r base.txt\n", "MySQL or MariaDB (mysqlclient)"),
        ("pymongo\n", "MongoDB (pymongo)"),
        ("redis>=5\n", "Redis (redis)"),
        ("celery\n", "a broker for Celery"),
    ],
)
def test_services_are_named_by_their_drivers(
    tmp_path: Path, requirements: str, service: str
) -> None:
    files = {"requirements.txt": requirements, "base.txt": "mysqlclient\n"}
    result = look(tmp_path, APP | files)
    assert service in told(result)


@pytest.mark.parametrize(
    ("code", "network"),
    [
        ("import requests", "any"),
        ("from django.core.mail import send_mail", "any"),
        ("import smtplib", "any"),
        ("from google.cloud import storage", "any"),
        ("import json, urllib.parse, http", "local"),
        ("from .requests import x", "local"),
    ],
)
def test_what_calls_other_hosts(tmp_path: Path, code: str, network: str) -> None:
    result = look(
        tmp_path, {"app.py": f"{code}\n{APP['app.py']}", "tests/x.py": "import requests\n"}
    )
    assert written(result).network == network


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"web/index.html": "", "web/package-lock.json": ""}, None),
        ({"web/public/index.html": "", "web/npm-shrinkwrap.json": ""}, None),
        ({"web/package-lock.json": ""}, "it has no index.html"),
        ({"web/index.html": ""}, "no package-lock.json: run npm install"),
        ({"web/index.html": "", "yarn.lock": ""}, "its lockfile is yarn's"),
        ({"web/index.html": "", "web/pnpm-lock.yaml": ""}, "its lockfile is pnpm's"),
        (
            {"web/index.html": "", "web/package-lock.json": "",
             "web/vite.config.ts": "export default {build: {outDir: '../app/static'}}"},
            "it builds into ../app/static",
        ),
        (
            {"web/index.html": "", "web/package-lock.json": "",
             "web/package.json": '{"scripts": {"build": "x"}, "dependencies": {"next": 1}}'},
            "its pages need a running Node.js",
        ),
    ],
)  # fmt: skip
def test_only_a_front_end_that_is_the_site(
    tmp_path: Path, files: dict[str, str], reason: str | None
) -> None:
    result = look(tmp_path, {**APP, "web/package.json": BUILD, **files})
    assert (result.frontend is not None) is (reason is None)
    assert "front end" not in told(result) if reason is None else reason in told(result)


@pytest.mark.parametrize("folder", ["docs", "e2e", "app/templates", "tests/e2e", "emails"])
def test_what_nobody_would_take_for_a_front_end(tmp_path: Path, folder: str) -> None:
    result = look(tmp_path, {**APP, f"{folder}/package.json": BUILD, f"{folder}/index.html": ""})
    assert result.frontend is None
    assert "front end" not in told(result)


def test_where_a_front_end_is_built(tmp_path: Path) -> None:
    files = {
        "app.py": APP["app.py"] + "@app.get('/healthz')\ndef health(): ...\n",
        "web/package.json": BUILD,
        "web/package-lock.json": "",
        "web/index.html": "",
        "web/vite.config.js": 'export default {build: {outDir: "./public/site"}}',
    }
    settings = written(look(tmp_path, files))
    assert settings.frontend is not None
    assert settings.frontend.output == "public/site"


def test_a_front_end_needs_a_health_path(tmp_path: Path) -> None:
    files = {"web/package.json": BUILD, "web/package-lock.json": "", "web/index.html": ""}
    result = look(tmp_path, APP | files)
    assert "# Fill in frontend: health.path: the front end answers /, which" in text(result)
    assert written(result).frontend is None


def test_a_front_end_beside_the_source(tmp_path: Path) -> None:
    files = {
        "backend/requirements.txt": "flask\n",
        "backend/app.py": APP["app.py"],
        "web/package.json": BUILD,
        "web/package-lock.json": "",
        "web/index.html": "",
    }
    result = look(tmp_path, files)
    assert (result.inside, result.frontend) == ("backend", None)
    assert "front end: web lies outside of the source" in told(result)
