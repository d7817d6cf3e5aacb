"""Settings of uploaded files."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from groundcrew.manifest.types import RelativePath
from groundcrew.model import Settings


class Media(Settings):
    """Uploaded files, kept in /srv/NAME/shared and served by nginx, which can read nothing else
    there. Their content is not trusted: browsers get HTML, SVG and unknown types as downloads and
    never run them. Links and dot files are not served."""

    path: RelativePath = "media"
    """Directory that the application writes to; it is linked into each release at the same path."""

    url: Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._-]+/)+$")] = "/media/"
    """URL path at which the files are served."""
