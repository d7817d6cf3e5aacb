"""What visitors get while an application is being worked on."""

from __future__ import annotations

from pydantic import Field

from groundcrew.apps.types import Network
from groundcrew.model import Settings


class Maintenance(Settings):
    """What visitors get while `playbooks/maintenance.py` has switched maintenance on."""

    page: str | None = None
    """HTML file on the operator's machine, relative to the project directory; default: a plain
    page. Styles and images must be in the file itself; scripts are not run."""

    retry_after: int = Field(300, ge=1)
    """Seconds after which clients should try again (Retry-After)."""

    allow: tuple[Network, ...] = ()
    """Addresses and networks of clients that get the application all the same."""
