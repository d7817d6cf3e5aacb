"""The files of nginx's configuration, computed from settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from groundcrew.entries import Absent, Directory, Entry, File, Link, Purge
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.roles.nginx import front, maintenance, role_sites, traffic
from groundcrew.roles.nginx.access import shared_limits, users_file
from groundcrew.roles.nginx.context import (
    Context,
    Https,
    Server,
    base_headers,
    prefixes_below,
    servers,
)
from groundcrew.roles.nginx.header_sets import BASELINE, YIELDING, site_headers
from groundcrew.roles.nginx.headers import headers_file
from groundcrew.roles.nginx.passwords import Passwords, password_files
from groundcrew.roles.nginx.role_sites import Served
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.roles.nginx.site import passing_files, site_files
from groundcrew.templates import render

ROOT = "/etc/nginx"
OWN = f"{ROOT}/groundcrew"
HEADERS = f"{OWN}/headers"
PASSING = f"{OWN}/passing"
WORKERS = "www-data"
SITES = f"{ROOT}/sites-enabled"
DROP_IN = "/etc/systemd/system/nginx.service.d"
DROP_IN_FILE = f"{DROP_IN}/groundcrew.conf"

LOCATIONS = f"{OWN}/locations"
DEFAULT_SERVER = f"{OWN}/default-server.conf"
BROTLI_FILE = f"{OWN}/brotli.conf"
PRIVATE_FILE = f"{OWN}/private.conf"
TLS_FILE = f"{OWN}/tls.conf"
TRAFFIC_FILE = f"{OWN}/traffic.conf"
USERS = f"{OWN}/users"
CACHE = "/var/cache/nginx"

CONCERNS = (
    "basics",
    "cached",
    "clients",
    "decision",
    "gzip",
    "log-format",
    "maps",
    "media-types",
    "proxy",
    "refused",
    "status",
    "uwsgi",
)


def configuration(
    settings: NginxSettings,
    apps: Mapping[str, AppSettings],
    passwords: Mapping[str, Passwords] | None = None,
    https: Https | None = None,
    sites: Sequence[Served] = (),
) -> list[Entry]:
    """All managed files under /etc/nginx; files that no application and no site of another role
    needs any more are removed.

    Raises ValueError if the settings contradict each other.
    """
    if settings.status_port in listen_ports(apps):
        raise ValueError(
            f"nginx.status_port: {settings.status_port} is the port of an application too"
        )
    https = https or Https()
    tls = bool(sites) or any(app.tls for app in apps.values())
    private = any(app.private for app in apps.values())
    common = headers_file(site_headers(settings), settings.hide_headers)
    entries: list[Entry] = [
        Directory(OWN),
        Directory(HEADERS),
        Directory(LOCATIONS),
        Directory(PASSING),
        Directory(USERS, mode="0750", group=WORKERS),
        # The same group as nginx.service has (service.conf.j2): systemd sets it at every start.
        Directory(CACHE, group="adm"),
        Directory(maintenance.DIRECTORY),
    ]
    entries += [
        File(f"{OWN}/{concern}.conf", render(f"nginx/{concern}.conf.j2", settings=settings))
        for concern in CONCERNS
    ]
    entries += [
        File(f"{OWN}/headers.conf", common),
        File(
            f"{OWN}/baseline.conf",
            render("nginx/baseline.conf.j2", headers=BASELINE, variables=YIELDING),
        ),
        File(f"{OWN}/limits.conf", shared_limits(settings)),
        File(f"{OWN}/visitors.conf", front.visitors(settings, apps)),
        File(PRIVATE_FILE, front.private(apps)) if private else Absent(PRIVATE_FILE),
        File(f"{OWN}/cache-paths.conf", cache_paths(settings, apps)),
        File(DEFAULT_SERVER, default_server(settings, apps, https, sites)),
        tls_file(https) if tls else Absent(TLS_FILE),
        brotli_file(settings) if settings.brotli else Absent(BROTLI_FILE),
        traffic_file(apps) if settings.counts else Absent(TRAFFIC_FILE),
    ]
    for server in servers(apps):
        for name in server.apps:
            entries += application(settings, name, server, https)
            entries += users(name, server.apps[name], (passwords or {}).get(name, {}))
    for served in sites:
        entries += role_sites.entries(settings, served, https)
    entries += [
        Purge(HEADERS, "*.conf"),
        Purge(LOCATIONS, "*.conf"),
        Purge(PASSING, "*"),
        Purge(USERS, "*"),
        Purge(maintenance.DIRECTORY, "*.conf"),
        Purge(SITES, "groundcrew-*.conf"),
        Absent(f"{SITES}/default"),
        File(
            f"{ROOT}/nginx.conf",
            render("nginx/nginx.conf.j2", settings=settings, tls=tls, private=private),
        ),
    ]
    return entries


def nothing_served(settings: NginxSettings) -> list[Entry]:
    """No site and no port of ours, where nginx had some."""
    return [
        Purge(SITES, "groundcrew-*.conf"),
        Purge(USERS, "*"),
        File(DEFAULT_SERVER, default_server(settings, {})),
    ]


def application(settings: NginxSettings, name: str, server: Server, https: Https) -> list[Entry]:
    """The files of one application."""
    app = server.apps[name]
    context = Context(settings, name, app, server, https)
    site, locations = site_files(context)
    below = prefixes_below(server.apps, name)
    headers = {name: base_headers(settings, app), **context.headers}
    return [
        *(File(f"{HEADERS}/{key}.conf", text) for key, text in headers.items()),
        *maintenance.maintenance_files(settings, name, app, below),
        *passing(name, app),
        File(f"{LOCATIONS}/{name}.conf", locations),
        File(f"{SITES}/groundcrew-{name}.conf", site),
    ]


def users(name: str, app: AppSettings, passwords: Passwords) -> list[Entry]:
    """The password files of one application, with hashed passwords."""
    return [
        File(users_file(name, app, key), text, mode="0640", group=WORKERS, secret=True)
        for key, text in password_files(name, app, passwords).items()
    ]


def cache_paths(settings: NginxSettings, apps: Mapping[str, AppSettings]) -> str:
    """Directories of the response cache, if any application uses it."""
    used = any(rules.cache for app in apps.values() for rules in app.nginx.locations.values())
    return render("nginx/cache-paths.conf.j2", settings=settings, used=used)


def passing(name: str, app: AppSettings) -> list[Entry]:
    """The files that pass requests on to the application, and the link to the one in use. The link
    is only created here: a release with another protocol moves it at the switch, and until then the
    old release still serves."""
    files = passing_files(name, app)
    return [
        *(File(f"{PASSING}/{name}.{protocol}", text) for protocol, text in files.items()),
        Link(AppPaths(name).passing, f"{name}.{app.server.protocol}", initial=True),
    ]


def drop_in(settings: NginxSettings) -> list[Entry]:
    """The drop-in of nginx.service."""
    content = render("nginx/service.conf.j2", settings=settings)
    return [Directory(DROP_IN), File(DROP_IN_FILE, content)]


def listen_ports(apps: Mapping[str, AppSettings]) -> list[int]:
    """Ports on which nginx accepts requests."""
    return sorted({port for app in apps.values() for port in app.ports})


def tls_file(https: Https) -> File:
    """TLS parameters, the same for all sites: before a client names a site, the parameters of the
    default server apply."""
    return File(TLS_FILE, render("nginx/tls.conf.j2", https=https))


def traffic_file(apps: Mapping[str, AppSettings]) -> File:
    """The log from which requests are counted."""
    return File(TRAFFIC_FILE, traffic.configuration(apps))


def brotli_file(settings: NginxSettings) -> File:
    """Brotli compression. nginx knows these directives only if the module is installed."""
    return File(BROTLI_FILE, render("nginx/brotli.conf.j2", settings=settings))


def default_server(
    settings: NginxSettings,
    apps: Mapping[str, AppSettings],
    https: Https | None = None,
    sites: Sequence[Served] = (),
) -> str:
    """The servers that refuse unknown host names, on each port that no application has to
    itself."""
    taken = {app.port for app in apps.values() if not app.domains}
    plain = {app.port for app in apps.values()} | {item.site.port for item in sites}
    secure = {app.tls.port for app in apps.values() if app.tls}
    secure |= {item.site.tls.port for item in sites}
    return render(
        "nginx/default-server.conf.j2",
        settings=settings,
        ports=sorted(plain - taken),
        tls_ports=sorted(secure),
        ssl=(https or Https()).listen,
        check=front.check(settings, apps),
    )
