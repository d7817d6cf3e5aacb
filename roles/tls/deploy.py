"""Certificates that a host gets by itself: before nginx starts, and once it serves."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra.api import deploy

from groundcrew.apps.model import AppSettings
from groundcrew.operations import systemd
from roles.tls import operations
from roles.tls.settings import TlsSettings, uses_acme


@deploy("tls")
def begin(sites: Mapping[str, AppSettings]) -> None:
    """nginx can start: each site has some certificate."""
    own = acme_sites(sites)
    if own:
        operations.bootstrap(name="certificates to start with", sites=own)


@deploy("tls")
def finish(settings: TlsSettings, sites: Mapping[str, AppSettings]) -> None:
    """The real certificates, now that the sites can be asked whose they are."""
    own = acme_sites(sites)
    if own:
        operations.issue(name="certificates", sites=own, acme=settings.acme)
        systemd.service(name="renewal", unit="certbot.timer", settle=0)


def acme_sites(sites: Mapping[str, AppSettings]) -> dict[str, AppSettings]:
    """Those whose certificates the host gets by itself."""
    return {name: app for name, app in sites.items() if uses_acme(app)}
