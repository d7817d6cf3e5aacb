"""Small source trees for the tests of bin/new-app."""

from __future__ import annotations

import textwrap
from pathlib import Path

import yaml

from groundcrew.manifest.model import AppSettings
from groundcrew.newapp import manifest
from groundcrew.newapp.guess import Guess, guess
from groundcrew.newapp.project import Project

WSGI = """
    import os
    from django.core.wsgi import get_wsgi_application
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{settings}")
    application = get_wsgi_application()
"""
MANAGE = """
    import os, sys
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{settings}")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""
BASE_DIR = (
    "from pathlib import Path\nimport os\nBASE_DIR = Path(__file__).resolve().parent.parent\n"
)
"""How settings begin that lie in a package in the source's root."""


def tree(folder: Path, files: dict[str, str]) -> Path:
    """Writes files by their paths."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content), encoding="utf-8")
    return folder


def look(folder: Path, files: dict[str, str]) -> Guess:
    """What is made of such a tree."""
    return guess(Project(tree(folder, files)))


def django(folder: Path, settings: str, more: dict[str, str] | None = None) -> Guess:
    """What is made of a Django project with these settings, `site.settings`."""
    files = {
        "manage.py": MANAGE.format(settings="shop.settings"),
        "requirements.txt": "django\n",
        "shop/__init__.py": "",
        "shop/wsgi.py": WSGI.format(settings="shop.settings"),
        "shop/settings.py": BASE_DIR + textwrap.dedent(settings),
    }
    return look(folder, files | (more or {}))


def written(result: Guess) -> AppSettings:
    """The manifest that is written, as the settings read it."""
    return AppSettings.model_validate(yaml.safe_load(text(result)))


def text(result: Guess) -> str:
    """The manifest's text."""
    return manifest.text("shop", "src", result)


def told(result: Guess) -> str:
    """What a person is told, in one line."""
    return " | ".join(result.checks)
