"""Settings of restarts after updates of libraries."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from groundcrew.contract import Brings, HostView, RoleSettings


class RenewalSettings(RoleSettings):
    """Restarts of what still runs libraries that an update has replaced. Without one, a security
    fix has no effect on programs that run already. No request is dropped."""

    enabled: bool = True
    """Whether the host restarts such units by itself. With false, verify and status name them, and
    `playbooks/renew.py` restarts them."""

    at: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "07:15"
    """Time of day at which the window begins, in the host's time zone. Debian's updates are
    installed between 6 and 7 in the morning."""

    window: int = Field(60, ge=10, le=720)
    """Minutes. Each host begins at a moment of the first half, so that they do not all restart at
    once; after the end, no other unit is restarted until the next day."""

    servers: bool = False
    """Whether database servers are restarted too, last. A restart closes their connections, and
    applications must be able to reconnect. With false, verify and status name such servers."""

    alert_days: int = Field(7, ge=0, le=365)
    """Days after which an alert fires if units still run replaced libraries and the host does not
    restart them by itself. Only on hosts that are monitored."""

    def brings(self, host: HostView) -> Brings:
        """See `roles/renewal/brings.py`."""
        from groundcrew.roles.renewal.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)
