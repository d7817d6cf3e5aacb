"""Operations of the TLS role: placeholders before nginx starts, certificates once it serves."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra.api import deploy

from groundcrew.operations import systemd
from groundcrew.roles.tls import operations
from groundcrew.roles.tls.builders import NGINX, Front
from groundcrew.roles.tls.settings import TlsSettings, uses_acme
from groundcrew.sites import Secured


@deploy("tls")
def begin(sites: Mapping[str, Secured]) -> None:
    """Gives each ACME site a placeholder if it has no certificate, so that nginx can start."""
    own = acme_sites(sites)
    if own:
        operations.bootstrap(name="certificates to start with", sites=own)


@deploy("tls")
def finish(settings: TlsSettings, sites: Mapping[str, Secured], front: Front = NGINX) -> None:
    """Gets the real certificates, now that the challenges can be answered."""
    own = acme_sites(sites)
    if own:
        operations.issue(name="certificates", sites=own, acme=settings.acme, front=front)
        systemd.service(name="renewal", unit="certbot.timer", settle=0)


def acme_sites(sites: Mapping[str, Secured]) -> dict[str, Secured]:
    """The sites whose certificates the host gets by ACME."""
    return {name: app for name, app in sites.items() if uses_acme(app)}
