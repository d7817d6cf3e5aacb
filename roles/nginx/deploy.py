"""Operations of nginx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.facts.files import File as PathFact

from groundcrew.entries import Entry, File
from groundcrew.facts.nginx import NginxVersions
from groundcrew.manifest.model import AppSettings
from groundcrew.operations import files, systemd
from groundcrew.roles.nginx.activate import activate_command
from groundcrew.roles.nginx.context import Https
from groundcrew.roles.nginx.files import (
    DEFAULT_SERVER,
    DROP_IN_FILE,
    configuration,
    drop_in,
    nothing_served,
)
from groundcrew.roles.nginx.passwords import Passwords
from groundcrew.roles.nginx.role_sites import Served
from groundcrew.roles.nginx.settings import NginxSettings


@deploy("nginx")
def apply(
    settings: NginxSettings,
    apps: Mapping[str, AppSettings],
    passwords: Mapping[str, Passwords],
    profile: str,
    *,
    certificates: Sequence[Entry] = (),
    sites: Sequence[Served] = (),
) -> None:
    """Configures nginx to serve `apps` and `sites`, those of roles, and to refuse every other host
    name.

    `passwords` are the basic auth passwords by application. HTTPS follows Mozilla's guideline
    `profile` and uses the files in `certificates`. The step that writes a new configuration also
    validates and loads it, and restores the old files if either fails: the files on disk are always
    the ones in force.
    """
    entries = [*certificates, *configuration(settings, apps, passwords, sites=sites)]

    def for_this_nginx() -> list[Entry]:
        https = Https(profile, *host.get_fact(NginxVersions))
        return [*certificates, *configuration(settings, apps, passwords, https, sites)]

    tls = bool(sites) or any(app.tls for app in apps.values())
    files.manage(name="service sandbox", entries=drop_in(settings))
    files.manage(
        name="configuration",
        # How HTTP/2 is switched on depends on nginx's version, known only once it is installed.
        entries=for_this_nginx if tls else entries,
        validate=activate_command(),
    )
    systemd.service(
        name="service",
        unit="nginx.service",
        restart_if_newer=[DROP_IN_FILE],
        # Workers read their groups, which open the applications' sockets, at their start.
        reload_if_newer=["/etc/group", *(e.path for e in entries if isinstance(e, File))],
        # nginx forks when it is ready, so systemctl waits for that; verify checks it later.
        settle=0,
    )


@deploy("nginx")
def withdraw(settings: NginxSettings) -> None:
    """Serves nothing of ours on a host that has neither applications nor sites of roles any more.
    nginx stays, with what else it serves there; a host that never had one is left as it is."""

    def where_it_was() -> list[Entry]:
        there = host.get_fact(PathFact, path=DEFAULT_SERVER)
        return nothing_served(settings) if there else []

    files.manage(name="no sites", entries=where_it_was, validate=activate_command())
