"""How long nginx may reuse connections to a replaced release."""

from __future__ import annotations

from groundcrew.roles.nginx.settings import NginxSettings

MARGIN = 2
"""Extra seconds for timers that fire late on a busy host."""


def drain_seconds(settings: NginxSettings) -> int:
    """Seconds from a switch until nginx has sent the last request to the replaced release.

    A connection younger than `upstream_keepalive_time` returns to the pool after its request, and
    can be used once more within `upstream_keepalive_timeout`.
    """
    return settings.upstream_keepalive_time + settings.upstream_keepalive_timeout + MARGIN
