"""What every host has besides the settings of its roles: its applications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

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
    """The release (`--data release=ID`); default: the last good one that served before the live
    one."""

    again: str | None = None
    """An application whose release is to be released again though a rollback has left it
    (`--data again=shop`)."""

    maintenance: Literal["on", "off"] | None = None
    """Maintenance mode (`--data maintenance=on`)."""

    lines: int | None = Field(None, ge=1, le=10000)
    """How much of each log is shown (`--data lines=100`); default: 50 lines of an application's
    logs, 10 of its release log."""

    since: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[smhd]$")] | None = None
    """Only log lines of this long ago or later (`--data since=10m`): seconds, minutes, hours or
    days."""

    sbom: str | None = None
    """Directory on the operator's machine that gets bills of materials (`--data sbom=sboms`)."""

    purge: bool = False
    """Whether `playbooks/remove.py` takes the application's data too (`--data purge=yes`)."""


class StatusSettings(Settings):
    """What `playbooks/status.py` writes; given on the command line."""

    json_path: str | None = Field(None, alias="json")
    """File on the operator's machine that gets the state of all hosts as JSON."""


class HostBase(Settings):
    """The part of a host's settings that the engine itself reads."""

    apps: tuple[str, ...] = ()
    """Names of the applications on this host; each has a manifest `apps/NAME.yml`. The lists of
    `group_data/all.py` and of all its groups add up; one in the inventory or in `--data` replaces
    them."""

    apps_without: tuple[str, ...] = ()
    """Applications that groups give and this host, or all hosts of another group, do not have."""

    app: dict[str, AppSettings] = Field(default_factory=dict)
    """The applications' settings: the manifests, with what other layers change."""

    run: RunSettings = RunSettings()
    """What a playbook is asked to do."""

    status: StatusSettings = StatusSettings()
    """What `playbooks/status.py` writes."""

    settings: ShowSettings = ShowSettings()
    """What `playbooks/settings.py` prints."""

    @classmethod
    def presets(cls, given: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:  # noqa: ARG003
        """Layers of defaults that a setting in `given` stands for: name -> values. They are weaker
        than anything that is set."""
        return {}

    @property
    def upstream_keepalive(self) -> int:
        """Seconds that the web server keeps an idle connection to an application; 0 where no role
        says."""
        return 0

    def conflicts(self, project: Path) -> Iterable[tuple[tuple[str, ...], str]]:  # noqa: ARG002
        """Keys of roles that do not fit the applications or the operator's machine, each with the
        reason."""
        return ()
