"""Input of the functions that generate an application's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.roles.nginx.header_sets import site_headers
from groundcrew.roles.nginx.headers import headers_file
from groundcrew.roles.nginx.settings import NginxSettings


@dataclass(frozen=True)
class Server:
    """A server block and its applications: one, or several that share their domains."""

    owner: str
    """The application whose settings apply to the server block as a whole."""

    apps: Mapping[str, AppSettings]

    @property
    def app(self) -> AppSettings:
        """The owner's settings."""
        return self.apps[self.owner]


@dataclass(frozen=True)
class Https:
    """HTTPS parameters of the host."""

    profile: str = "intermediate"
    """Mozilla's guideline: `intermediate` or `modern`."""

    nginx: tuple[int, ...] = ()
    """Version of nginx; () while it is unknown."""

    openssl: tuple[int, ...] = ()
    """Version of OpenSSL."""

    @property
    def http2_is_directive(self) -> bool:
        """Whether HTTP/2 has a directive of its own, as since nginx 1.25.1, or is a parameter of
        `listen`."""
        return self.nginx >= (1, 25, 1)

    @property
    def listen(self) -> str:
        """Parameters of `listen` for HTTPS."""
        return " ssl" if self.http2_is_directive else " ssl http2"

    @property
    def curves(self) -> str:
        """Groups for the key exchange. The first one, new in OpenSSL 3.5, also protects recorded
        traffic from future quantum computers. The `?` lets an OpenSSL that does not know it ignore
        it."""
        hybrid = "?X25519MLKEM768:" if self.openssl >= (3, 5) else ""
        return f"{hybrid}X25519:prime256v1:secp384r1"


@dataclass(frozen=True)
class Context:
    """An application and its server block."""

    settings: NginxSettings
    name: str
    app: AppSettings
    server: Server
    https: Https = Https()
    headers: dict[str, str] = field(default_factory=dict)
    """Files of response headers that its locations need: name -> text."""

    zones: dict[str, str] = field(default_factory=dict)
    """Directives for nginx's http level that its locations need, by the zone or variable they
    define."""

    @property
    def paths(self) -> AppPaths:
        """Paths of the application on the host."""
        return AppPaths(self.name)

    def full(self, path: str) -> str:
        """A path of the manifest, with the application's prefix."""
        return self.app.root + path


def servers(apps: Mapping[str, AppSettings]) -> list[Server]:
    """The server blocks of a host. A block's owner is the application mounted at `/`, or the first
    by name."""
    groups: dict[tuple[int, frozenset[str]], dict[str, AppSettings]] = {}
    for name, app in sorted(apps.items()):
        groups.setdefault((app.port, frozenset(app.domains)), {})[name] = app
    return [
        Server(min(members, key=lambda name: (members[name].root != "", name)), members)
        for members in groups.values()
    ]


def prefixes_below(apps: Mapping[str, AppSettings], name: str) -> list[str]:
    """Prefixes of applications on the same server that lie below the application's own prefix."""
    [server] = [server for server in servers(apps) if name in server.apps]
    root = server.apps[name].root
    return [app.root for app in server.apps.values() if app.root.startswith(f"{root}/")]


def base_headers(settings: NginxSettings, app: AppSettings) -> str:
    """The application's default headers file, used unless a location needs another one."""
    return headers_file(site_headers(settings, app), settings.hide_headers)
