"""Requests that verify a host."""

from __future__ import annotations

from pydantic import Field

from groundcrew.apps.types import UrlPath
from groundcrew.model import Settings


class Check(Settings):
    """A request through nginx that must succeed for the host to be verified."""

    path: UrlPath
    """Path that is requested."""

    status: int = Field(200, ge=100, le=599)
    """Expected status."""

    contains: str | None = None
    """Text that the body must contain."""

    headers: dict[str, str] = Field(default_factory=dict)
    """Headers that the answer must carry, with exactly these values."""
