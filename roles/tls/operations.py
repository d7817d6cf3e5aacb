"""Operations of certificates that the host gets by ACME."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from pyinfra import host
from pyinfra.api import StringCommand, operation

from groundcrew.facts.certificates import Certificates
from groundcrew.manifest.paths import certificate_directory
from groundcrew.read_first import reading_first
from groundcrew.roles.tls import builders
from groundcrew.roles.tls.settings import AcmeSettings
from groundcrew.sites import Secured

Commands = Generator[StringCommand, None, None]


@operation()
@reading_first
def bootstrap(sites: Mapping[str, Secured]) -> Commands:
    """Creates a self-signed placeholder for each site that has no certificate.

    + sites: the sites whose certificates the host gets by ACME
    """
    states = host.get_fact(Certificates, names=sorted(sites))["sites"]
    missing = {name: app for name, app in sites.items() if not states[name]["usable"]}
    if missing:
        yield StringCommand(builders.bootstrap_command(missing))
    else:
        host.noop("every site has a certificate")


@operation()
@reading_first
def issue(
    sites: Mapping[str, Secured], acme: AcmeSettings, front: builders.Front = builders.NGINX
) -> Commands:
    """Gets certificates that are missing or are for other names, and switches the sites to them.

    Until then, or if that fails, sites keep the certificate they have.

    + sites: the sites whose certificates the host gets by ACME
    + acme: the ACME directory
    + front: the program that serves the sites
    """
    state = host.get_fact(Certificates, names=sorted(sites))
    commands = []
    for name, app in sorted(sites.items()):
        seen = state["sites"][name]
        reason = builders.why(acme, app, seen, front)
        if reason:
            host.log(f"{name}: a certificate is issued: {reason}")
            again = seen["lineage"] is not None
            commands.append(builders.issue_command(name, app, acme, again=again, front=front))
        elif seen["target"] != f"/etc/letsencrypt/live/{name}":
            commands.append(builders.lead_command(name, front))
        else:
            host.noop(f"{certificate_directory(name)} is there, and certbot renews it")
    if state["reload"]:
        yield StringCommand("systemctl daemon-reload")
    if commands:
        yield StringCommand(builders.combined(commands))
