"""The health path that bin/new-app finds through routers and blueprints."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.newapp_trees import look, text, told, written

FASTAPI = "from fastapi import APIRouter, FastAPI\n"
HEALTH = "@router.get('/health')\ndef health(): ...\n"


def test_prefixes_through_several_modules(tmp_path: Path) -> None:
    result = look(
        tmp_path,
        {
            "shop/__init__.py": "",
            "shop/config.py": """
                from pydantic_settings import BaseSettings
                class Settings(BaseSettings):
                    ROOT: str = "/api"
                    @property
                    def base(self): return f"{self.ROOT}/v2"
                def get_settings():
                    return Settings()
            """,
            "shop/routes/__init__.py": """
                from fastapi import APIRouter
                from . import state, users as people
                router = APIRouter(prefix="/inner")
                router.include_router(state.router, prefix="/state")
                router.include_router(people.router)
            """,
            "shop/routes/state.py": f"{FASTAPI}router = APIRouter(prefix='/now')\n{HEALTH}",
            "shop/routes/users.py": f"{FASTAPI}router = APIRouter()\n"
            "@router.get('/users/{id}')\ndef user(): ...\n",
            "shop/main.py": """
                from fastapi import FastAPI
                from shop.config import get_settings
                from shop.routes import router as everything
                settings = get_settings()
                app = FastAPI()
                def connect(app):
                    app.include_router(everything, prefix=settings.base)
                connect(app)
            """,
        },
    )
    assert result.health == "/api/v2/inner/state/now/health"
    assert result.api == ["/api/"]


@pytest.mark.parametrize(
    ("code", "path"),
    [
        # Routers that nobody includes, or only sometimes.
        (f"app = FastAPI()\nrouter = APIRouter()\n{HEALTH}", "/openapi.json"),
        (
            f"app = FastAPI()\nrouter = APIRouter()\n{HEALTH}\nif X:\n"
            "    app.include_router(router)",
            "/openapi.json",
        ),
        # A prefix that only a run would tell.
        (
            f"import os\napp = FastAPI()\nrouter = APIRouter()\n{HEALTH}\n"
            "app.include_router(router, prefix=os.getcwd())",
            "/openapi.json",
        ),
        # A part that is mounted elsewhere.
        (
            "app = FastAPI()\nadmin = FastAPI()\n@admin.get('/health')\ndef health(): ...\n"
            "app.mount('/admin', admin)",
            "/admin/health",
        ),
        ("app = FastAPI()\n@app.post('/health')\ndef health(): ...", "/openapi.json"),
        ("app = FastAPI()\n@app.get('/{x}/health')\ndef health(): ...", "/openapi.json"),
        ("app = FastAPI()\n@app.get('/ping')\n@app.get('/readyz')\ndef health(): ...", "/readyz"),
        ("app = FastAPI()\n@app.get('/utils/health-check/')\ndef h(): ...", "/utils/health-check/"),
        ("app = FastAPI()\napp.add_api_route('/livez', f)", "/livez"),
        ("app = FastAPI(openapi_url='/docs.json')", "/docs.json"),
        ("app = FastAPI(openapi_url=None)", None),
    ],
)
def test_fastapi(tmp_path: Path, code: str, path: str | None) -> None:
    result = look(tmp_path, {"main.py": FASTAPI + code + "\n"})
    assert result.health == path


@pytest.mark.parametrize(
    ("register", "path"),
    [
        ("app.register_blueprint(state)", "/own/health"),
        ("app.register_blueprint(state, url_prefix='/other')", "/other/health"),
        ("outer.register_blueprint(state)\n    app.register_blueprint(outer)", "/out/own/health"),
        ("outer.register_blueprint(state)", None),
    ],
)
def test_blueprints(tmp_path: Path, register: str, path: str | None) -> None:
    result = look(
        tmp_path,
        {
            "shop/__init__.py": "from flask import Blueprint, Flask\n"
            "outer = Blueprint('outer', __name__, url_prefix='/out')\n"
            "def create_app():\n"
            "    from .state import state\n"
            "    app = Flask(__name__)\n"
            f"    {register}\n"
            "    return app\n",
            "shop/state.py": "from flask import Blueprint\n"
            "state = Blueprint('state', __name__, url_prefix='/own')\n"
            "@state.route('/health')\ndef health(): ...\n",
        },
    )
    assert result.health == path


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("return 'hello'", "/"),
        ("return redirect('/login')", None),
        ("abort(401) if not session else ''", None),
    ],
)
def test_a_page_for_everybody_stands_in(tmp_path: Path, body: str, path: str | None) -> None:
    code = f"from flask import Flask\napp = Flask('x')\n@app.route('/')\ndef home():\n    {body}\n"
    result = look(tmp_path, {"app.py": code})
    assert result.health == path
    assert ("No health check was found" in text(result)) is (path is None)


def test_another_page_is_told(tmp_path: Path) -> None:
    code = "from flask import Flask\napp = Flask('x')\n@app.get('/items')\ndef items(): ...\n"
    result = look(tmp_path, {"app.py": code})
    assert result.health == "/items"
    assert "a page was taken that looks open to everybody" in told(result)


def test_starlette(tmp_path: Path) -> None:
    result = look(
        tmp_path,
        {
            "app.py": """
                from starlette.applications import Starlette
                from starlette.routing import Mount, Route
                inner = [Route("/healthz", view)]
                app = Starlette(routes=[Route("/", view), Mount("/state", routes=inner)])
            """
        },
    )
    assert result.health == "/state/healthz"


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("HEALTHCHECK CMD curl -f http://localhost:8000/in/side || exit 1", "/in/side"),
        ("HEALTHCHECK CMD python -c 'get(\"http://127.0.0.1/internal\")'", "/internal"),
        # It follows redirects, which the probe does not.
        ("HEALTHCHECK CMD curl -fsL http://localhost:8000/internal", None),
        ("RUN curl http://localhost/internal", None),
    ],
)  # fmt: skip
def test_what_the_dockerfile_asks(tmp_path: Path, line: str, path: str | None) -> None:
    app = "from flask import Flask\napp = Flask('x')\n"
    assert look(tmp_path, {"app.py": app, "Dockerfile": line}).health == path


def test_everything_of_the_application_gets_past_the_front_end(tmp_path: Path) -> None:
    result = look(
        tmp_path,
        {
            "main.py": """
                from fastapi import FastAPI
                app = FastAPI()
                @app.get("/auth/login")
                def login(): ...
                @app.websocket("/ws/{room}")
                def room(): ...
                @app.get("/state/health")
                def health(): ...
                @app.get("/version")
                def version(): ...
            """,
            "web/package.json": '{"scripts": {"build": "vite build"}}',
            "web/package-lock.json": "{}",
            "web/index.html": "",
        },
    )
    settings = written(result)
    assert settings.frontend is not None
    assert settings.frontend.api == ("/api/", "/auth/", "/state/", "/version", "/ws/")
    assert settings.health.path == "/state/health"
