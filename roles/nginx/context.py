"""What the parts of an application's configuration are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from roles.nginx.header_sets import site_headers
from roles.nginx.headers import headers_file
from roles.nginx.settings import NginxSettings


@dataclass(frozen=True)
class Server:
    """A server block and its applications: one, or several that share their domains."""

    owner: str
    """The application whose settings hold where none of the others' do."""

    apps: Mapping[str, AppSettings]

    @property
    def app(self) -> AppSettings:
        """The owner's settings."""
        return self.apps[self.owner]


@dataclass(frozen=True)
class Https:
    """What the host has for HTTPS, and how it is to be spoken."""

    profile: str = "intermediate"
    """Mozilla's guideline: `intermediate` or `modern`."""

    nginx: tuple[int, ...] = ()
    """Version of nginx; () is not known yet."""

    openssl: tuple[int, ...] = ()
    """Version of OpenSSL."""

    @property
    def http2_is_directive(self) -> bool:
        """Whether HTTP/2 is switched on by a directive of its own, as since nginx 1.25.1, or by a
        parameter of `listen`."""
        return self.nginx >= (1, 25, 1)

    @property
    def listen(self) -> str:
        """Parameters of `listen` for HTTPS."""
        return " ssl" if self.http2_is_directive else " ssl http2"

    @property
    def curves(self) -> str:
        """Groups for the key exchange. The first one, new in OpenSSL 3.5, also withstands those who
        record now and have a quantum computer later. `?`: an OpenSSL that no longer knows it goes
        on without."""
        hybrid = "?X25519MLKEM768:" if self.openssl >= (3, 5) else ""
        return f"{hybrid}X25519:prime256v1:secp384r1"


@dataclass(frozen=True)
class Context:
    """An application and the server block that it is in."""

    settings: NginxSettings
    name: str
    app: AppSettings
    server: Server
    https: Https = Https()
    headers: dict[str, str] = field(default_factory=dict)
    """Files of response headers that its locations turned out to need, by name."""

    zones: dict[str, str] = field(default_factory=dict)
    """Directives for nginx's http level that they need, by what they define."""

    @property
    def paths(self) -> AppPaths:
        """Where everything of the application is."""
        return AppPaths(self.name)

    def full(self, path: str) -> str:
        """A path of the manifest as visitors ask for it."""
        return self.app.root + path


def servers(apps: Mapping[str, AppSettings]) -> list[Server]:
    """The server blocks of a host. The owner of one is the application at `/`, else the first."""
    groups: dict[tuple[int, frozenset[str]], dict[str, AppSettings]] = {}
    for name, app in sorted(apps.items()):
        groups.setdefault((app.port, frozenset(app.domains)), {})[name] = app
    return [
        Server(min(members, key=lambda name: (members[name].root != "", name)), members)
        for members in groups.values()
    ]


def prefixes_below(apps: Mapping[str, AppSettings], name: str) -> list[str]:
    """Prefixes of applications on the same server that lie below an application's own."""
    [server] = [server for server in servers(apps) if name in server.apps]
    root = server.apps[name].root
    return [app.root for app in server.apps.values() if app.root.startswith(f"{root}/")]


def base_headers(settings: NginxSettings, app: AppSettings) -> str:
    """The headers file of an application where no location says otherwise."""
    return headers_file(site_headers(settings, app), settings.hide_headers)
