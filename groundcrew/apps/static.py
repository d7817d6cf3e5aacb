"""Files of a release that nginx serves."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from groundcrew.apps.types import RelativePath
from groundcrew.model import Settings


class Static(Settings):
    """Files of a release that nginx serves itself."""

    path: RelativePath
    """Directory in the release, from the source or made by a build hook (`collectstatic`)."""

    url: Annotated[str, StringConstraints(pattern=r"^/([A-Za-z0-9._-]+/)+$")] = "/static/"
    """Where they are served."""

    assets_grace: int = Field(604800, ge=0)
    """Seconds that the files of a replaced release stay reachable, for pages that browsers have
    open."""
