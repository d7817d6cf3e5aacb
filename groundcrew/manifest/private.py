"""Settings of files that nginx sends at the application's request."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from groundcrew.manifest.types import RelativePath
from groundcrew.model import Settings


class Private(Settings):
    """Files that only the application can hand out. They are kept in /srv/NAME/shared, and nginx
    sends one when an answer of the application has the header `X-Accel-Redirect: URL/FILE`
    (django-sendfile2, django-downloadview). Clients cannot ask for them directly. The header may
    name only these files: any other target is 404, and without this block the header is ignored.
    Links and dot files are not sent."""

    path: RelativePath
    """Directory that the application writes to; it is linked into each release at the same path."""

    url: Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._-]+/)+$")] = "/private/"
    """URL path that the header's value begins with; an application with a `prefix` puts that before
    it."""
