"""Settings of maintenance mode."""

from __future__ import annotations

from pydantic import Field

from groundcrew.manifest.types import Network
from groundcrew.model import Settings


class Maintenance(Settings):
    """What visitors get while maintenance is on (`playbooks/maintenance.py`)."""

    page: str | None = None
    """HTML file on the operator's machine, relative to the project directory; null: a plain page.
    The file itself must contain its styles and images; scripts are not run."""

    retry_after: int = Field(300, ge=1)
    """Seconds after which clients should try again (Retry-After)."""

    allow: tuple[Network, ...] = ()
    """Addresses and networks of clients that reach the application during maintenance."""
