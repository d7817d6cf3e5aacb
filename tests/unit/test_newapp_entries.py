"""Which callable bin/new-app takes, and from where it is imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundcrew.newapp.guess import NothingFoundError, guess
from groundcrew.newapp.project import Project
from tests.unit.newapp_trees import look, told, tree, written

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
FACTORY = """
    from flask import Flask

    def create_app(config=None):
        app = Flask(__name__)
        return app
"""


@pytest.mark.parametrize(
    ("files", "entry"),
    [
        # What the project itself gives to a server.
        ({"Procfile": "web: gunicorn 'shop:create_app()' -w 2\n"}, "shop:create_app()"),
        ({"Dockerfile": 'CMD ["gunicorn", "-b", "0:80", "shop.wsgi:app"]\n'}, "shop.wsgi:app"),
        (
            {"docker/entrypoint.sh": "exec gunicorn --bind :80 \\\n   shop.wsgi:app\n"},
            "shop.wsgi:app",
        ),
        ({"Dockerfile": "CMD uvicorn --factory shop:create_app\n"}, "shop:create_app()"),
        # Not for development, not what it does not have, not what is a comment.
        ({"docker-compose.dev.yml": "command: gunicorn --reload other:app\n"}, "shop.wsgi:app"),
        ({"Procfile": "web: gunicorn nowhere:app\n"}, "shop.wsgi:app"),
        ({"Procfile": "# web: gunicorn shop:create_app\n"}, "shop.wsgi:app"),
        # Nothing: wsgi.py, whose factory is in another module.
        ({}, "shop.wsgi:app"),
    ],
)
def test_the_projects_own_start_comes_first(
    tmp_path: Path, files: dict[str, str], entry: str
) -> None:
    result = look(
        tmp_path,
        {
            "shop/__init__.py": FACTORY,
            "shop/wsgi.py": "from shop import create_app\napp = create_app()\n",
            "other.py": FLASK,
            **files,
        },
    )
    assert (result.entry.name, result.entry.framework) == (entry, "Flask")


@pytest.mark.parametrize(
    "helper",
    [
        "tests/app.py",
        "test_app.py",
        "shop/app_test.py",
        "bin/proxy.py",
        "scripts/app.py",
        "tools/wsgi.py",
        "docs/app.py",
        "examples/app.py",
        "manage.py",
        "shop/debug.py",
        "shop/filters.py",
    ],
)
def test_a_helper_is_never_taken(tmp_path: Path, helper: str) -> None:
    core = FLASK + "@app.route('/')\ndef home(): ...\n"
    result = look(tmp_path, {"shop/__init__.py": "", "shop/web.py": core, helper: FLASK})
    assert result.entry.name == "shop.web:app"


@pytest.mark.parametrize("name", ["local", "manage", "debug_server", "export"])
def test_one_for_other_ends_is_not_taken_because_it_is_nearer(tmp_path: Path, name: str) -> None:
    core = FLASK + "@app.route('/')\ndef home(): ...\n"
    result = look(tmp_path, {"shop/__init__.py": "", "shop/web.py": core, f"{name}.py": core})
    assert result.entry.name == "shop.web:app"


def test_a_class_of_its_own_and_a_factory_of_another_name(tmp_path: Path) -> None:
    result = look(
        tmp_path,
        {
            "shop/__init__.py": "",
            "shop/base.py": "import flask\nclass Base(flask.Flask): ...\n",
            "shop/web/__init__.py": "",
            "shop/web/build.py": """
                from ..base import Base
                class Shop(Base): ...
                def assemble(testing=False):
                    shop = Shop("shop")
                    return shop
            """,
        },
    )
    assert (result.entry.name, result.entry.framework) == ("shop.web.build:assemble()", "Flask")


def test_what_a_package_hands_on(tmp_path: Path) -> None:
    result = look(
        tmp_path,
        {
            "Procfile": "web: gunicorn shop:app -k gevent\n",
            "shop/__init__.py": "from .core import *\n",
            "shop/core.py": FLASK,
        },
    )
    assert (result.entry.name, result.entry.framework) == ("shop:app", "Flask")


def test_middleware_around_an_application(tmp_path: Path) -> None:
    result = look(
        tmp_path,
        {
            "main.py": """
                import socketio
                from fastapi import FastAPI
                api = FastAPI()
                server = socketio.AsyncServer()
                app = socketio.ASGIApp(server, api)
            """,
            "Dockerfile": "CMD uvicorn main:app\n",
        },
    )
    assert (result.entry.name, result.entry.framework) == ("main:app", "FastAPI")
    assert result.entry.interface == "asgi"


def test_what_pyproject_names_for_fastapi(tmp_path: Path) -> None:
    app = "from fastapi import FastAPI\napp = FastAPI()\nother = FastAPI()\n"
    project = '[tool.fastapi]\nentrypoint = "shop.serve:other"\n'
    result = look(tmp_path, {"pyproject.toml": project, "shop/serve.py": app, "app.py": app})
    assert result.entry.name == "shop.serve:other"


@pytest.mark.parametrize(
    ("files", "inside", "entry", "path"),
    [
        # A directory with requirements of its own is the source.
        (
            {"backend/app/__init__.py": "", "backend/app/main.py": FLASK,
             "backend/requirements.txt": "flask\n", "frontend/README.md": ""},
            "backend", "app.main:app", None,
        ),
        # One without is a place to import from, beside the requirements.
        (
            {"server/main.py": "import db\n" + FLASK, "server/db.py": "",
             "requirements.txt": "flask\n"},
            "", "main:app", "server",
        ),
        # A package is imported by its name.
        (
            {"server/__init__.py": "", "server/main.py": FLASK, "requirements.txt": "flask\n"},
            "", "server.main:app", None,
        ),
        (
            {"server/__init__.py": "", "server/main.py": FLASK,
             "server/requirements.txt": "flask\n"},
            "", "server.main:app", None,
        ),
        ({"app/main.py": FLASK, "requirements.txt": "flask\n"}, "", "app.main:app", None),
        # src without a description of a package cannot be installed.
        (
            {"src/shop/main.py": FLASK, "requirements.txt": "flask\n"},
            "", "shop.main:app", "src",
        ),
    ],
)  # fmt: skip
def test_where_the_application_lives(
    tmp_path: Path, files: dict[str, str], inside: str, entry: str, path: str | None
) -> None:
    result = look(tmp_path, files)
    assert (result.inside, result.entry.name) == (inside, entry)
    assert result.env.get("PYTHONPATH") == path
    assert ("alone is the source" in told(result)) is bool(inside)
    assert not written(result).install


def test_an_entry_that_is_named_keeps_its_framework(tmp_path: Path) -> None:
    tree(tmp_path, {"a.py": FLASK, "b.py": "from fastapi import FastAPI\nx = FastAPI()\n"})
    result = guess(Project(tmp_path), "b:x")
    assert (result.entry.framework, result.entry.interface) == ("FastAPI", "asgi")


def test_a_library_is_no_application(tmp_path: Path) -> None:
    tree(tmp_path, {"lib/__init__.py": "class App: ...\n", "tests/app.py": FLASK})
    with pytest.raises(NothingFoundError):
        guess(Project(tmp_path))
