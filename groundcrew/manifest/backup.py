"""Settings of the backups of an application."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from groundcrew.manifest.types import RelativePath, Script, UrlPath
from groundcrew.model import Settings

Reason = Annotated[str, StringConstraints(min_length=3)]


class Backup(Settings):
    """What backups of the application contain, and what a drill asks it. Databases, caches with
    data, shared directories and secrets are in every backup by themselves."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"exclude": {"thumbnails": "made again from the uploads"}},
                {"drill": ["python manage.py check_orders"]},
            ]
        }
    )

    exclude: dict[RelativePath, Reason] = Field(default_factory=dict)
    """Parts of /srv/NAME/shared that are not backed up, each with the reason."""

    drill: tuple[Script, ...] = ()
    """Shell commands that must succeed in a drill: on the restored data, as the application's user,
    in the live release's directory and environment, without a network."""

    path: UrlPath | None = None
    """Path that must answer in a drill; null: `health.path`."""
