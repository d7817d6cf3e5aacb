"""What every host has besides the settings of its roles: its applications."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from groundcrew.apps.model import AppSettings
from groundcrew.model import Settings


class ShowSettings(Settings):
    """What `playbooks/settings.py` prints; given on the command line."""

    key: str | None = None
    """Print this block or value only: `app.shop`, `nginx.gzip`."""

    json_output: bool = Field(False, alias="json")
    """Print JSON instead of a table."""


class RunSettings(Settings):
    """What a playbook is asked to do; given on the command line."""

    app: str | None = None
    """The application (`--data app=shop`); default: all of the host."""

    release: str | None = None
    """The release (`--data release=ID`); default: the newest good one before the live one."""

    maintenance: Literal["on", "off"] | None = None
    """Maintenance mode (`--data maintenance=on`)."""


class HostBase(Settings):
    """The part of a host's settings that the engine itself reads."""

    apps: tuple[str, ...] = ()
    """Names of the applications on this host; each has a manifest `apps/NAME.yml`."""

    app: dict[str, AppSettings] = Field(default_factory=dict)
    """The applications' settings: the manifests, with what other layers change."""

    run: RunSettings = RunSettings()
    """What a playbook is asked to do."""

    settings: ShowSettings = ShowSettings()
    """What `playbooks/settings.py` prints."""
