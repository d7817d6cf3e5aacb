"""What bin/new-app makes of small projects."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import yaml

from groundcrew.manifest.model import AppSettings
from groundcrew.newapp import manifest
from groundcrew.newapp.__main__ import main, report
from groundcrew.newapp.guess import Guess, NothingFoundError, guess
from groundcrew.newapp.project import Project

ROOT = Path(__file__).resolve().parents[2]


def project(folder: Path, **files: str) -> Project:
    """A project directory; `__` in a name is a slash, `_dot_` a dot."""
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content), encoding="utf-8")
    return Project(folder)


def written(result: Guess) -> AppSettings:
    """The manifest that is written, as the settings read it."""
    return AppSettings.model_validate(yaml.safe_load(manifest.text("shop", "src", result)))


def test_flask(tmp_path: Path) -> None:
    result = guess(
        project(
            tmp_path,
            requirements_dot_txt="flask==3.1.3\n",
            shop__views_dot_py="""
                from flask import Flask
                app = Flask(__name__)
                DATABASE = "data/shop.db"

                @app.get("/items/<int:number>")
                def item(number): ...

                @app.route("/healthz")
                def healthz(): ...
            """,
            shop__static__page_dot_css="body {}",
            tests__test_views_dot_py="from flask import Flask\napp = Flask(__name__)\n",
        )
    )
    settings = written(result)
    assert (result.entry.framework, settings.entry) == ("Flask", "shop.views:app")
    assert settings.server.type == "gunicorn"
    assert settings.requirements == "requirements.txt"
    assert settings.health.path == "/healthz"
    assert settings.static is not None
    assert (settings.static.path, settings.static.url) == ("shop/static", "/static/")
    assert settings.shared == ("data",)
    assert any("no hashes" in check for check in result.checks)


def test_a_flask_factory_and_its_migrations(tmp_path: Path) -> None:
    result = guess(
        project(
            tmp_path,
            app__init_dot_py="",
            app__factory_dot_py="""
                from flask import Flask
                from flask_migrate import Migrate

                def create_app(config=None):
                    app = Flask("shop")
                    Migrate(app)
                    return app

                def with_arguments(needed):
                    return Flask(needed)
            """,
            migrations__env_dot_py="",
        )
    )
    assert written(result).entry == "app.factory:create_app()"
    assert result.release_hooks == ["flask --app app.factory:create_app db upgrade"]
    assert any(check.startswith("requirements: there is no") for check in result.checks)


def test_an_entry_module_comes_before_the_factory_that_it_calls(tmp_path: Path) -> None:
    files = {
        "shop__wsgi_dot_py": "from shop.core import Flask\napp = Flask('x')\n",
        "shop__core_dot_py": "from flask import Flask\ndef create_app():\n    return Flask('x')\n",
    }
    assert guess(project(tmp_path, **files)).entry.name == "shop.wsgi:app"


def test_fastapi_in_src_with_a_front_end(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "package-lock.json").write_text("{}")
    result = guess(
        project(
            tmp_path,
            pyproject_dot_toml="""
                [project]
                name = "chat"
                version = "1"
                requires-python = ">=3.12"
                dependencies = ["fastapi>=0.100"]
            """,
            src__chat__main_dot_py="""
                import os
                from fastapi import FastAPI

                app: FastAPI = FastAPI()
                KEY, MODE = os.environ["API_KEY"], os.environ["MODE"]
                LEVEL = os.getenv("LEVEL", "info")

                @app.get("/health")
                async def health(): ...
            """,
            alembic_dot_ini="",
            web__package_dot_json='{"scripts": {"build": "vite build"}}',
            web__index_dot_html="<div></div>",
        )
    )
    settings = written(result)
    assert settings.entry == "chat.main:app"
    assert settings.server.speaks_websockets
    assert settings.health.path == "/health"
    assert settings.frontend is not None
    assert settings.frontend.directory == "web"
    assert settings.frontend.api == ("/api/", "/health")
    assert settings.secrets["API_KEY"].env == "API_KEY"
    assert settings.env == {"MODE": ""}
    assert settings.hooks.release == ("alembic upgrade head",)
    assert settings.install
    text = "\n".join(report("chat", result))
    for part in (">=3.12", "MODE is required", "export API_KEY", "it also reads LEVEL"):
        assert part in text


def test_a_front_end_without_a_lockfile_is_not_taken(tmp_path: Path) -> None:
    result = guess(
        project(
            tmp_path,
            app_dot_py="from starlette.applications import Starlette\napp = Starlette()\n",
            web__package_dot_json='{"scripts": {"build": "vite build"}}',
            web__index_dot_html="<div></div>",
        )
    )
    assert (result.entry.framework, result.frontend) == ("Starlette", None)
    assert any("package-lock.json" in check for check in result.checks)


def test_django(tmp_path: Path) -> None:
    result = guess(
        project(
            tmp_path,
            uv_dot_lock="",
            manage_dot_py="""
                import os
                os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shopsite.settings")
            """,
            shopsite__settings_dot_py="""
                import os
                from pathlib import Path
                BASE_DIR = Path(__file__).resolve().parent.parent
                SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
                ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "").split(",")
                INSTALLED_APPS = ["django.contrib.admin"]
                DATABASES = {"default": {
                    "ENGINE": "django.db.backends.sqlite3",
                    "NAME": os.path.join(BASE_DIR, "var", "db.sqlite3"),
                }}
                STATIC_URL = "static/"
                STATIC_ROOT = BASE_DIR / "public" / "static"
                MEDIA_URL = "/media/"
                MEDIA_ROOT = BASE_DIR / "media"
            """,
            shopsite__urls_dot_py='urlpatterns = [path("manage/", admin.site.urls)]\n',
            shopsite__wsgi_dot_py="""
                from django.core.wsgi import get_wsgi_application
                application = get_wsgi_application()
            """,
        )
    )
    settings = written(result)
    assert (result.entry.framework, settings.entry) == ("Django", "shopsite.wsgi:application")
    assert settings.env == {
        "ALLOWED_HOSTS": "shop.test",
        "DJANGO_SETTINGS_MODULE": "shopsite.settings",
    }
    assert settings.secrets["DJANGO_SECRET_KEY"].generate is not None
    assert settings.hooks.build == (
        "DJANGO_SECRET_KEY=only-for-the-build python manage.py collectstatic --noinput",
    )
    assert settings.hooks.release == ("python manage.py migrate --noinput",)
    assert settings.static is not None
    assert (settings.static.path, settings.static.url) == ("public/static", "/static/")
    assert settings.shared == ("var",)
    assert settings.media is not None
    assert (settings.media.path, settings.media.url) == ("media", "/media/")
    assert settings.health.path == "/manage/login/"


def test_a_database_beside_the_code_is_pointed_out(tmp_path: Path) -> None:
    result = guess(
        project(
            tmp_path,
            shop__settings_dot_py="""
                DATABASES = {"default": {
                    "ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3",
                }}
            """,
            shop__asgi_dot_py="""
                from django.core.asgi import get_asgi_application
                application = get_asgi_application()
            """,
        )
    )
    assert result.entry.interface == "asgi"
    assert result.shared == []
    text = "\n".join(result.checks)
    assert "db.sqlite3 lies beside the code" in text
    assert "STATIC_ROOT is not set" in text


def test_plain_callables(tmp_path: Path) -> None:
    code = "def application(environ, start_response): ...\n"
    result = guess(project(tmp_path, serve_dot_py=code))
    assert (result.entry.name, result.entry.interface) == ("serve:application", "wsgi")
    code = "async def app(scope, receive, send): ...\n"
    result = guess(project(tmp_path / "other", serve_dot_py=code))
    assert (result.entry.name, result.entry.interface) == ("serve:app", "asgi")
    assert result.entry.framework == "other"


def test_nothing_is_imported_and_broken_files_are_passed_over(tmp_path: Path) -> None:
    result = guess(
        project(
            tmp_path,
            app_dot_py="import os\nfrom flask import Flask\napp = Flask('x')\nos._exit(3)\n",
            broken_dot_py="def (",
        )
    )
    assert result.entry.name == "app:app"


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(NothingFoundError, match="--entry"):
        guess(project(tmp_path, tool_dot_py="print('x')\n"))
    assert guess(Project(tmp_path), "tool:main").entry.name == "tool:main"


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("ragflow-like", "api.wsgi:app"),
        ("opendify-like", "main:app"),
        ("agentchat-like", "agentchat.main:app"),
        ("legacypi-like", "config.wsgi:application"),
        ("ragagent-like", "app:app"),
    ],
)
def test_the_examples(name: str, entry: str) -> None:
    result = guess(Project(ROOT / "examples" / name))
    assert written(result).entry == entry
    assert result.health is not None


def test_a_manifest_is_never_overwritten_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project(tmp_path / "My Shop", app_dot_py="from flask import Flask\napp = Flask('x')\n")
    arguments = [str(tmp_path / "My Shop")]
    assert main(arguments, tmp_path) == 0
    assert "wrote apps/my-shop.yml" in capsys.readouterr().out
    target = tmp_path / "apps" / "my-shop.yml"
    assert yaml.safe_load(target.read_text())["source"] == {"directory": "My Shop"}
    target.write_text("mine\n")
    assert main(arguments, tmp_path) == 1
    assert "--force" in capsys.readouterr().err
    assert target.read_text() == "mine\n"
    assert main([*arguments, "--force"], tmp_path) == 0
    assert target.read_text() != "mine\n"


@pytest.mark.parametrize("arguments", [["nowhere"], [".", "Bad_Name"]])
def test_bad_arguments(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments, tmp_path) == 1
    assert not (tmp_path / "apps").exists()
