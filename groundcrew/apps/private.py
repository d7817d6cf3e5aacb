"""Files that nginx sends when the application says so."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from groundcrew.apps.types import RelativePath
from groundcrew.model import Settings


class Private(Settings):
    """Files that only the application may hand out: kept in /srv/NAME/shared, and sent by nginx
    when an answer of the application has the header `X-Accel-Redirect: URL/FILE`
    (django-sendfile2, django-downloadview). Nobody can ask for them. It may name nothing but these
    files: without this block the header is ignored, and what leads elsewhere is 404. Links and dot
    files are not sent."""

    path: RelativePath
    """Directory that the application writes to, linked into each release at the same path."""

    url: Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._-]+/)+$")] = "/private/"
    """What the header's value begins with; below `prefix`, with that before it."""
