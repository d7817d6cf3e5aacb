"""How a release proves that it works."""

from __future__ import annotations

from pydantic import Field

from groundcrew.apps.types import UrlPath
from groundcrew.model import Settings


class Health(Settings):
    """How a new release proves that it works before it gets a request."""

    path: UrlPath = "/"
    """Path that is requested on the release's own socket."""

    status: int = Field(200, ge=100, le=599)
    """Status that counts as healthy."""

    timeout: int = Field(60, ge=1)
    """Seconds until the first healthy answer; after that the release has failed."""

    interval: float = Field(0.25, gt=0)
    """Seconds between two attempts."""

    request_timeout: float = Field(5, gt=0)
    """Seconds that one attempt may take."""

    successes: int = Field(2, ge=1)
    """Healthy answers in a row that are needed."""
