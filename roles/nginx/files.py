"""The files that make up nginx's configuration: settings in, entries out."""

from __future__ import annotations

from collections.abc import Mapping

from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from groundcrew.entries import Absent, Directory, Entry, File, Link, Purge
from groundcrew.templates import render
from roles.nginx import maintenance
from roles.nginx.headers import headers_file
from roles.nginx.settings import NginxSettings
from roles.nginx.site import passing_files, site_file

ROOT = "/etc/nginx"
OWN = f"{ROOT}/groundcrew"
HEADERS = f"{OWN}/headers"
PASSING = f"{OWN}/passing"
SITES = f"{ROOT}/sites-enabled"
DROP_IN = "/etc/systemd/system/nginx.service.d"
DROP_IN_FILE = f"{DROP_IN}/groundcrew.conf"

CONCERNS = ("basics", "clients", "log-format", "gzip", "maps", "proxy", "uwsgi", "status")


def configuration(settings: NginxSettings, apps: Mapping[str, AppSettings]) -> list[Entry]:
    """Everything under /etc/nginx that is ours; what no application needs any more is removed.

    Raises ValueError when the settings contradict each other.
    """
    if settings.status_port in listen_ports(apps):
        raise ValueError(
            f"nginx.status_port: {settings.status_port} is the port of an application too"
        )
    common = headers_file(settings.security_headers, settings.hide_headers)
    entries: list[Entry] = [
        Directory(OWN),
        Directory(HEADERS),
        Directory(PASSING),
        Directory(maintenance.DIRECTORY),
    ]
    entries += [
        File(f"{OWN}/{concern}.conf", render(f"nginx/{concern}.conf.j2", settings=settings))
        for concern in CONCERNS
    ]
    entries += [
        File(f"{OWN}/headers.conf", common),
        File(f"{OWN}/default-server.conf", default_server(settings, apps)),
    ]
    for name, app in sorted(apps.items()):
        headers = headers_file(settings.security_headers, settings.hide_headers, app.nginx.headers)
        entries += [
            File(f"{HEADERS}/{name}.conf", headers),
            *maintenance.maintenance_files(settings, name, app),
            *passing(settings, name, app),
            File(f"{SITES}/groundcrew-{name}.conf", site_file(settings, name, app)),
        ]
    entries += [
        Purge(HEADERS, "*.conf"),
        Purge(PASSING, "*"),
        Purge(maintenance.DIRECTORY, "*.conf"),
        Purge(SITES, "groundcrew-*.conf"),
        Absent(f"{SITES}/default"),
        File(f"{ROOT}/nginx.conf", render("nginx/nginx.conf.j2", settings=settings)),
    ]
    return entries


def passing(settings: NginxSettings, name: str, app: AppSettings) -> list[Entry]:
    """How requests reach the application. A release that speaks another protocol than the one
    before moves the link: not we, while the one before still serves."""
    files = passing_files(settings, name, app)
    return [
        *(File(f"{PASSING}/{name}.{protocol}", text) for protocol, text in files.items()),
        Link(AppPaths(name).passing, f"{name}.{app.server.protocol}", initial=True),
    ]


def drop_in(settings: NginxSettings) -> list[Entry]:
    """What nginx.service is changed to."""
    content = render("nginx/service.conf.j2", settings=settings)
    return [Directory(DROP_IN), File(DROP_IN_FILE, content)]


def listen_ports(apps: Mapping[str, AppSettings]) -> list[int]:
    """Ports on which nginx faces the network."""
    return sorted({app.port for app in apps.values()})


def default_server(settings: NginxSettings, apps: Mapping[str, AppSettings]) -> str:
    """The servers that refuse unknown names, on each port that no application has for itself."""
    taken = {app.port for app in apps.values() if not app.domains}
    ports = [port for port in listen_ports(apps) if port not in taken]
    return render("nginx/default-server.conf.j2", settings=settings, ports=ports)
