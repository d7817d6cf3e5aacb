"""Commands of an application at the steps of a release."""

from __future__ import annotations

from pydantic import Field

from groundcrew.apps.types import Script
from groundcrew.model import Settings


class Hooks(Settings):
    """Shell commands of the application's own, run in the release's directory with its virtualenv
    first in PATH and its environment set."""

    build: tuple[Script, ...] = ()
    """While building, as the build user, without secrets (e.g. compiling assets)."""

    release: tuple[Script, ...] = ()
    """Once per release before its first start, as the application's user (e.g. migrations)."""

    timeout: int = Field(600, ge=1)
    """Seconds that one command may take."""
