"""Files that visitors upload."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from groundcrew.apps.types import RelativePath
from groundcrew.model import Settings


class Media(Settings):
    """Uploaded files: kept in /srv/NAME/shared and served by nginx, which can read nothing else
    there. Nobody knows what is in them: HTML, SVG and everything unknown is offered for download
    and never run, and links and dot files are not served."""

    path: RelativePath = "media"
    """Directory that the application writes to, linked into each release at the same path."""

    url: Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._-]+/)+$")] = "/media/"
    """Where they are served."""
