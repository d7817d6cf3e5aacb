"""nginx on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyinfra import host
from pyinfra.api import deploy

from groundcrew.apps.model import AppSettings
from groundcrew.entries import Entry, File
from groundcrew.facts.nginx import NginxVersions
from groundcrew.operations import files, systemd
from roles.nginx.activate import activate_command
from roles.nginx.context import Https
from roles.nginx.files import DROP_IN_FILE, configuration, drop_in
from roles.nginx.passwords import Passwords
from roles.nginx.settings import NginxSettings


def packages(settings: NginxSettings) -> tuple[str, ...]:
    """Debian packages that the role needs."""
    brotli = ("libnginx-mod-http-brotli-filter", "libnginx-mod-http-brotli-static")
    return ("nginx", *(brotli if settings.brotli else ()))


@deploy("nginx")
def apply(
    settings: NginxSettings,
    apps: Mapping[str, AppSettings],
    passwords: Mapping[str, Passwords],
    profile: str,
    certificates: Sequence[Entry] = (),
) -> None:
    """nginx serves `apps` and refuses every other name; `passwords` are of those who may log in.

    HTTPS is spoken by Mozilla's guideline `profile`, with `certificates`, which are files as well.

    A new configuration is validated and loaded in the step that writes it, and put back if either
    fails: what is on disk is always what serves.
    """
    entries = [*certificates, *configuration(settings, apps, passwords)]

    def for_this_nginx() -> list[Entry]:
        https = Https(profile, *host.get_fact(NginxVersions))
        return [*certificates, *configuration(settings, apps, passwords, https)]

    tls = any(app.tls for app in apps.values())
    files.manage(name="service sandbox", entries=drop_in(settings))
    files.manage(
        name="configuration",
        # How HTTP/2 is switched on differs; only nginx itself knows, once it is installed.
        entries=for_this_nginx if tls else entries,
        validate=activate_command(),
    )
    systemd.service(
        name="service",
        unit="nginx.service",
        restart_if_newer=[DROP_IN_FILE],
        # Workers take their groups, which open the applications' sockets, when they start.
        reload_if_newer=["/etc/group", *(e.path for e in entries if isinstance(e, File))],
        # It forks when it is ready, so systemctl itself waits for that; verify watches it later.
        settle=0,
    )
