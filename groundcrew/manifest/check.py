"""Requests that verify a host."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from groundcrew.manifest.types import UrlPath
from groundcrew.model import Settings


class Check(Settings):
    """A request through nginx that must succeed for the host to be verified."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"path": "/", "contains": "Welcome"}]}
    )

    path: UrlPath
    """Path that is requested."""

    status: int = Field(200, ge=100, le=599)
    """Status code that the answer must have."""

    contains: str | None = None
    """Text that the body must contain; null: any body."""

    headers: dict[str, str] = Field(default_factory=dict)
    """Headers that the answer must have, with exactly these values."""
