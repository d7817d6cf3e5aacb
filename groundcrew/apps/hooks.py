"""Commands of an application at the steps of a release."""

from __future__ import annotations

from pydantic import Field

from groundcrew.apps.types import Script
from groundcrew.model import Settings


class Hooks(Settings):
    """Shell commands of the application's own, run in the release's directory with its virtualenv
    first in PATH and its environment set."""

    environment: tuple[Script, ...] = ()
    """While building the virtualenv, in the source's directory, as the build user: what belongs to
    the virtualenv (e.g. `python -m spacy download en_core_web_sm`). Only these can change it."""

    build: tuple[Script, ...] = ()
    """While building the code, as the build user, with `env` but without secrets (e.g. compiling
    assets)."""

    release: tuple[Script, ...] = ()
    """Once per release before its first start, as the application's user (e.g. migrations)."""

    timeout: int = Field(600, ge=1)
    """Seconds that one command may take."""
