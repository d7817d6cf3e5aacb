"""Certificates that a host gets by itself."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from pyinfra import host
from pyinfra.api import StringCommand, operation

from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import certificate_directory
from groundcrew.facts.certificates import Certificates
from roles.tls import builders
from roles.tls.settings import AcmeSettings

Commands = Generator[StringCommand, None, None]


@operation()
def bootstrap(sites: Mapping[str, AppSettings]) -> Commands:
    """Makes a certificate for nginx to start with, for each site that has none at all.

    + sites: those whose certificates the host gets by itself
    """
    found = host.get_fact(Certificates, names=sorted(sites))["sites"]
    missing = {name: app for name, app in sites.items() if not found[name]["usable"]}
    if missing:
        yield StringCommand(builders.bootstrap_command(missing))
    else:
        host.noop("every site has a certificate")


@operation()
def issue(sites: Mapping[str, AppSettings], acme: AcmeSettings) -> Commands:
    """Gets the certificates that the host does not have yet, or has for other names, and leads
    nginx to them; until then, and if it fails, the sites go on with what they have.

    + sites: those whose certificates the host gets by itself
    + acme: where from
    """
    state = host.get_fact(Certificates, names=sorted(sites))
    commands = []
    for name, app in sorted(sites.items()):
        seen = state["sites"][name]
        reason = builders.why(acme, app, seen)
        if reason:
            host.log(f"{name}: a certificate is issued: {reason}")
            again = seen["lineage"] is not None
            commands.append(builders.issue_command(name, app, acme, again=again))
        elif seen["target"] != f"/etc/letsencrypt/live/{name}":
            commands.append(builders.lead_command(name))
        else:
            host.noop(f"{certificate_directory(name)} is there, and certbot renews it")
    if state["reload"]:
        yield StringCommand("systemctl daemon-reload")
    if commands:
        yield StringCommand(builders.combined(commands))
