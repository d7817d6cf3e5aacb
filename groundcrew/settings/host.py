"""What every host has besides the settings of its roles: its applications."""

from __future__ import annotations

from pydantic import Field

from groundcrew.apps.model import AppSettings
from groundcrew.model import Settings


class ShowSettings(Settings):
    """What `playbooks/settings.py` prints; given on the command line."""

    key: str | None = None
    """Print this block or value only: `app.shop`, `nginx.gzip`."""

    json_output: bool = Field(False, alias="json")
    """Print JSON instead of a table."""


class HostBase(Settings):
    """The part of a host's settings that the engine itself reads."""

    apps: tuple[str, ...] = ()
    """Names of the applications on this host; each has a manifest `apps/NAME.yml`."""

    app: dict[str, AppSettings] = Field(default_factory=dict)
    """The applications' settings: the manifests, with what other layers change."""

    settings: ShowSettings = ShowSettings()
    """What `playbooks/settings.py` prints."""
