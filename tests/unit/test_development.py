"""Development mode: one worker that reloads, and not by mistake in production."""

from __future__ import annotations

from typing import Any

import pytest

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.releases.plan import ServerProcess
from groundcrew.roles import releases
from groundcrew.roles.gunicorn import Gunicorn
from groundcrew.roles.uvicorn import Uvicorn
from groundcrew.roles.uwsgi import Uwsgi
from tests.unit.project import Project

PATHS = AppPaths("shop")


def app(mode: str = "development", **changes: Any) -> AppSettings:
    return AppSettings.model_validate(
        {"source": {"directory": "."}, "entry": "shop:app", "mode": mode, **changes}
    )


def process(settings: AppSettings) -> ServerProcess:
    return releases.server_process(settings.server, settings.mode)


def text(settings: AppSettings) -> str:
    """Unit and configuration."""
    server = process(settings)
    return "\n".join([server.unit(PATHS, "r1", settings, 1), *server.files(PATHS, "r1").values()])


def test_gunicorn_has_one_worker_that_reloads() -> None:
    written: dict[str, Any] = {
        "server": {"workers": 8, "preload": True, "max_requests": 50},
        "instances": 3,
    }
    settings = app(**written)
    assert settings.instances == 1
    config = text(settings)
    for line in ("workers = 1", "reload = True", "preload_app = False", "max_requests = 0"):
        assert f"\n{line}\n" in config
    assert '\nloglevel = "debug"\n' in config
    production = app("production", **written)
    assert production.instances == 3
    assert "reload = True" not in text(production)


def test_uvicorn_reloads_what_gunicorn_cannot() -> None:
    for server in ({"worker_class": "uvicorn"}, {"type": "uvicorn", "workers": 4}):
        settings = app(server=server)
        assert isinstance(process(settings), Uvicorn)
        command = text(settings)
        assert "--reload " in command
        assert "--workers" not in command
        assert "--log-level debug" in command
        assert "ExecReload" not in command
    assert isinstance(process(app("production", server={"worker_class": "uvicorn"})), Gunicorn)


def test_uwsgi_has_one_process_that_reloads() -> None:
    settings = app(server={"type": "uwsgi", "processes": 8})
    assert isinstance(process(settings), Uwsgi)
    config = text(settings)
    for line in ("processes = 1", "py-autoreload = 1"):
        assert f"\n{line}\n" in config
    assert "disable-logging" not in config


def test_a_checkout_takes_the_place_of_the_releases_code() -> None:
    bind = "BindReadOnlyPaths=/home/ann/shop:/srv/shop/releases/r1/app"
    assert bind in text(app(checkout="/home/ann/shop"))
    assert "Bind" not in text(app())


@pytest.mark.parametrize(
    ("more", "key", "message"),
    [
        (
            "mode: development\nserver: {type: command, command: 'serve {socket}'}\n",
            "mode",
            "`development` cannot change what a command does; give it another command",
        ),
        (
            "checkout: /home/ann/shop\n",
            "checkout",
            "is for `mode: development`; in production the release's own code runs",
        ),
        (
            "env: {FLASK_DEBUG: 1}\n",
            "env.FLASK_DEBUG",
            "switches the framework's debugger on: only with `mode: development`",
        ),
        (
            "env: {FLASK_DEBUG: true}\n",
            "env.FLASK_DEBUG",
            "switches the framework's debugger on: only with `mode: development`",
        ),
    ],
)
def test_what_contradicts_the_mode(project: Project, more: str, key: str, message: str) -> None:
    project.app(more=more)
    assert project.error() == ("apps/shop.yml", f"app.shop.{key}", message)


def test_a_debugger_that_is_off_or_in_development_is_no_error(project: Project) -> None:
    project.app(more="env: {FLASK_DEBUG: false}\n")
    project.load()
    project.data = {"app.shop.mode": "development", "app.shop.env.FLASK_DEBUG": True}
    assert project.settings().app["shop"].mode == "development"


def test_production_hosts_refuse_it_unless_forced(project: Project) -> None:
    project.app()
    project.hosts["web1"] = (["web", "prod"], {})
    project.write("group_data/prod.py", "")
    project.data = {"app.shop.mode": "development"}
    [(layer, key, message)] = project.errors()
    assert (layer, key) == ("--data", "app.shop.mode")
    assert message.startswith("development mode is refused on hosts in group `prod`")
    project.data["app.shop.force_development"] = True
    project.load()
