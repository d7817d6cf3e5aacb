"""Settings of commands that run at the steps of a release."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from groundcrew.manifest.types import Script
from groundcrew.model import Settings


class Hooks(Settings):
    """Shell commands of the application at the steps of a release, run in the release's directory
    with its virtualenv first in PATH and its environment variables set."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"release": ["python manage.py migrate"]}]}
    )

    environment: tuple[Script, ...] = ()
    """Commands that run while the virtualenv is built, in the source's directory, as the build
    user, for what belongs to the virtualenv (for example `python -m spacy download
    en_core_web_sm`). Only these commands can change it."""

    build: tuple[Script, ...] = ()
    """Commands that run while the code is built, as the build user, with `env` but without secrets
    (for example to compile assets)."""

    release: tuple[Script, ...] = ()
    """Commands that run once per release before its first start, as the application's user (for
    example migrations)."""

    timeout: int = Field(600, ge=1)
    """Seconds that one command may take."""
