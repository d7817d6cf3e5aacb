"""What the TLS role brings to a host besides its operations."""

from __future__ import annotations

from groundcrew.contract import Brings, HostView
from groundcrew.roles.tls.builders import packages
from groundcrew.roles.tls.settings import TlsSettings


def brings(settings: TlsSettings, host: HostView) -> Brings:
    """The Debian packages that issue and renew certificates."""
    del settings
    balanced = {item.app: item.settings for item in host.place.balanced}
    return Brings(packages=packages({**host.app, **host.role_sites, **balanced}))
