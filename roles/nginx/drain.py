"""How long nginx may go on using connections to a release that was replaced."""

from __future__ import annotations

from roles.nginx.settings import NginxSettings

MARGIN = 2
"""Seconds added for timers that fire late on a busy host."""


def drain_seconds(settings: NginxSettings) -> int:
    """Seconds after a switch until nginx has sent the last request to the replaced release.

    The last request over a connection that is younger than `upstream_keepalive_time` returns it to
    the pool, where it may be taken once more within `upstream_keepalive_timeout`.
    """
    return settings.upstream_keepalive_time + settings.upstream_keepalive_timeout + MARGIN
