"""Which variables bin/new-app finds that an application needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundcrew.newapp.guess import Guess
from tests.unit.newapp_trees import look, text, told, written

APP = "from fastapi import FastAPI\napp = FastAPI()\n"


def config(folder: Path, code: str) -> Guess:
    """What is made of an application that imports this module."""
    return look(folder, {"main.py": "import config\n" + APP, "config.py": code})


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        ('import os\nX = os.environ["MODE"]', ["MODE"]),
        ('from os import environ\nX = environ["MODE"]', ["MODE"]),
        ('import environ\nenv = environ.Env()\nX = env("MODE")', ["MODE"]),
        ('import environ\nenv = environ.Env(MODE=(str, "x"))\nX = env("MODE")', []),
        ('from environs import Env\nenv = Env()\nX = env.int("MODE")', ["MODE"]),
        ('from environs import Env\nenv = Env()\nX = env.int("MODE", 3)', []),
        ('from decouple import config\nX = config("MODE")', ["MODE"]),
        ('from decouple import config\nX = config("MODE", default="x")', []),
        ('from starlette.config import Config\nc = Config()\nX = c("MODE", cast=bool)', ["MODE"]),
        ('import os\nX = os.getenv("MODE")', []),
        ('import os\nX = os.environ["MODE"] if "MODE" in os.environ else 1', []),
        ('import os\ndef later():\n    return os.environ["MODE"]', []),
        ('import os\ndef now():\n    return os.environ["MODE"]\nX = now()', ["MODE"]),
        ('import os\nclass Config:\n    X = os.environ["MODE"]', ["MODE"]),
        ('import os\nfor name in ("a",):\n    X = os.environ["MODE"]', []),
        ('def get(environ):\n    return environ["MODE"]\nX = get({})', []),
    ],
)
def test_what_it_cannot_start_without(tmp_path: Path, code: str, needed: list[str]) -> None:
    result = config(tmp_path, code)
    assert result.open == needed
    if needed:
        assert 'MODE: ""  # fill in' in text(result)
        assert "MODE is required; fill in its value" in told(result)


def test_modules_that_nobody_imports_need_nothing(tmp_path: Path) -> None:
    code = 'import os\nX = os.environ["MODE"]\n'
    result = look(tmp_path, {"main.py": APP, "report.py": code, "bin/release.py": code})
    assert result.open == []


def test_a_factory_is_called(tmp_path: Path) -> None:
    code = """
        import os
        from flask import Flask
        def create_app():
            app = Flask("x")
            app.config["PLACE"] = os.environ["PLACE"]
            return app
    """
    assert look(tmp_path, {"shop.py": code}).open == ["PLACE"]


def test_fields_of_pydantic_settings(tmp_path: Path) -> None:
    result = config(
        tmp_path,
        """
            from typing import ClassVar, Literal
            from pydantic import BaseModel, Field
            from pydantic_settings import BaseSettings, SettingsConfigDict

            class Mail(BaseModel):
                host: str

            class Common(BaseSettings):
                model_config = SettingsConfigDict(env_prefix="SHOP_")
                site: str
                level: str = "info"

            class Settings(Common):
                model_config = SettingsConfigDict(env_prefix="SHOP_")
                KIND: ClassVar[str]
                debug: bool = True
                environment: Literal["local", "production"] = "local"
                secret_key: str
                database_url: str = Field(...)
                token: str = Field(validation_alias="API_TOKEN")
                cache: str = Field("memory", description="where")
                mail: Mail
                made: str
                production: bool

            settings = Settings(made="here")
        """,
    )
    settings = written(result)
    assert settings.env == {
        "SHOP_DEBUG": "false",
        "SHOP_ENVIRONMENT": "production",
        "SHOP_PRODUCTION": "true",
        "SHOP_SITE": "",
    }
    assert result.open == ["SHOP_SITE"]
    assert result.generated == ["SHOP_SECRET_KEY"]
    assert result.given == ["API_TOKEN", "SHOP_DATABASE_URL"]
    assert "SHOP_CACHE, SHOP_LEVEL" in told(result)
    assert "SHOP_MADE" not in told(result)


@pytest.mark.parametrize(
    ("code", "generated"),
    [
        ('KEY = os.getenv("SHOP_KEY")\nclass Config:\n    SECRET_KEY = KEY or "weak"', "SHOP_KEY"),
        ('SECRET_KEY = os.getenv("COOKIES", "weak")', None),
        ('X = os.getenv("JWT_SECRET_KEY", "weak")', "JWT_SECRET_KEY"),
        ('X = os.getenv("SESSION_SECRET", "weak")', "SESSION_SECRET"),
        # What somebody else has given out cannot be made up.
        ('X = os.getenv("STRIPE_SECRET_KEY", "")', None),
        ('X = os.getenv("AWS_SECRET_ACCESS_KEY", "")', None),
        ('X = os.getenv("RECAPTCHA_SECRET_KEY", "")', None),
    ],
)
def test_secrets_that_the_host_makes_up(tmp_path: Path, code: str, generated: str | None) -> None:
    result = config(tmp_path, f"import os\n{code}\n")
    assert result.generated == ([generated] if generated else [])


def test_a_secret_of_the_projects_own_name(tmp_path: Path) -> None:
    code = 'import os\nX = os.getenv("SHOP_SECRET_KEY", "weak")\n'
    files = {"shop/__init__.py": "", "shop/main.py": f"{code}{APP}"}
    assert look(tmp_path, files).generated == ["SHOP_SECRET_KEY"]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ('SECRET_KEY = "abc"', "SECRET_KEY is written down in config.py"),
        ('app.secret_key = "abc"', "SECRET_KEY is written down in config.py"),
        ('app.config["SECRET_KEY"] = "abc"', "SECRET_KEY is written down in config.py"),
        ("class Config:\n    SECRET_KEY = load()", "where SECRET_KEY of config.py comes from"),
        ("DEBUG = True", "DEBUG is on in config.py, and no variable turns it off"),
        ('import os\nX = os.getenv("APP_ENV", "development")', 'APP_ENV is "development" unless'),
    ],
)
def test_what_is_weak_and_cannot_be_set_is_told(tmp_path: Path, code: str, sentence: str) -> None:
    result = config(tmp_path, code)
    assert sentence in told(result)
    assert result.env == {}
    assert "DEBUG" not in told(config(tmp_path, "class TestingConfig:\n    DEBUG = True\n"))


def test_what_is_for_development_is_switched_off(tmp_path: Path) -> None:
    result = config(
        tmp_path,
        """
            import os
            class Config:
                DEBUG = os.getenv("WITH_DEBUG", "1") == "1"
            MODE = os.getenv("APP_ENV", "development")
            if MODE == "production":
                LEVEL = "warning"
        """,
    )
    assert result.env == {"WITH_DEBUG": "False", "APP_ENV": "production"}


def test_long_lists_of_variables_are_cut(tmp_path: Path) -> None:
    names = "\n".join(f'X{n} = os.getenv("VARIABLE_{n:02}")' for n in range(30))
    result = config(tmp_path, f"import os\n{names}\n")
    assert "VARIABLE_19 and 10 more" in told(result)
    assert "VARIABLE_20" not in told(result)
