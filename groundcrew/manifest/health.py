"""Settings of the health probe."""

from __future__ import annotations

from pydantic import Field

from groundcrew.manifest.types import UrlPath
from groundcrew.model import Settings


class Poll(Settings):
    """Requests for `health.path` of the live release, on its own socket, by the host itself. What
    does not answer is replaced by a new process, as one that hangs is not noticed otherwise.
    Nothing is done during maintenance and while a run releases the application."""

    interval: float = Field(15, ge=0.5, le=3600)
    """Seconds between two requests."""

    timeout: float = Field(5, gt=0, le=300)
    """Seconds within which the answer must come."""

    retries: int = Field(3, ge=1)
    """Number of failures in a row after which the unit is replaced."""

    start_period: float = Field(30, ge=0)
    """Seconds after the unit's start in which failures do not count."""

    restarts: int = Field(3, ge=0)
    """Largest number of restarts of a unit within an hour. After that, and with 0, verify fails and
    nothing is restarted."""


class Health(Settings):
    """The probe that a new release must pass before it gets requests."""

    path: UrlPath = "/"
    """Path that is requested on the release's own socket."""

    status: int = Field(200, ge=100, le=599)
    """Status code that counts as healthy."""

    timeout: int = Field(60, ge=1)
    """Seconds within which the first healthy answer must come; after that the release has
    failed."""

    interval: float = Field(0.25, gt=0)
    """Seconds between two attempts."""

    request_timeout: float = Field(5, gt=0)
    """Seconds that one attempt may take."""

    successes: int = Field(2, ge=1)
    """Number of healthy answers in a row that the release needs."""

    poll: Poll | None = None
    """Whether the host keeps requesting the health path after the release, and replaces instances
    that do not answer; `{}` for the defaults. null: it does not."""
