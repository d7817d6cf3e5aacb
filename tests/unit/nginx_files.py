"""nginx's files by path, as the role renders them."""

from __future__ import annotations

from collections.abc import Mapping

from groundcrew.entries import File
from groundcrew.manifest.model import AppSettings
from groundcrew.roles.nginx.files import configuration
from groundcrew.roles.nginx.passwords import Passwords
from groundcrew.roles.nginx.settings import NginxSettings

OWN = "/etc/nginx/groundcrew"


def contents(
    settings: NginxSettings,
    apps: Mapping[str, AppSettings],
    passwords: Mapping[str, Passwords] | None = None,
) -> dict[str, str]:
    """All files."""
    entries = configuration(settings, apps, passwords)
    return {entry.path: str(entry.content) for entry in entries if isinstance(entry, File)}


def site_file(settings: NginxSettings, name: str, app: AppSettings) -> str:
    """The upstream and the server of an application that is alone."""
    return contents(settings, {name: app})[f"/etc/nginx/sites-enabled/groundcrew-{name}.conf"]


def locations_file(app: AppSettings, name: str = "shop") -> str:
    """The locations of an application that is alone."""
    return contents(NginxSettings(), {name: app})[f"{OWN}/locations/{name}.conf"]
