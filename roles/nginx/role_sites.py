"""Sites of other roles in nginx's syntax: behind a login, over HTTPS. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from groundcrew.entries import Entry, File
from groundcrew.headers import merge
from groundcrew.manifest.paths import CHALLENGES, certificate_directory
from groundcrew.manifest.tls import HSTS, AcmeCertificate
from groundcrew.roles.nginx.access import default_connections, default_rate
from groundcrew.roles.nginx.context import Https
from groundcrew.roles.nginx.header_sets import SiteHeaders, strict
from groundcrew.roles.nginx.headers import headers_file
from groundcrew.roles.nginx.passwords import hashed
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.sites import Site
from groundcrew.templates import render

OWN = "/etc/nginx/groundcrew"
WORKERS = "www-data"


@dataclass(frozen=True)
class Served:
    """A site of a role, and the passwords of its users."""

    site: Site
    passwords: Mapping[str, SecretStr]


def entries(settings: NginxSettings, served: Served, https: Https) -> list[Entry]:
    """The files of one site."""
    site = served.site
    return [
        File(f"{OWN}/headers/{site.name}.conf", _headers(settings, site)),
        File(
            f"{OWN}/users/{site.name}",
            "".join(
                f"{user}:{hashed(site.name, user, password)}\n"
                for user, password in sorted(served.passwords.items())
            ),
            mode="0640",
            group=WORKERS,
            secret=True,
        ),
        File(
            f"/etc/nginx/sites-enabled/groundcrew-{site.name}.conf",
            render(
                "nginx/role-site.conf.j2",
                settings=settings,
                site=site,
                certificate=certificate_directory(site.name),
                challenges=CHALLENGES if _asks_by_http(site) else None,
                ssl=https.listen,
                http2_is_directive=https.http2_is_directive,
                limits=[
                    *default_rate(settings, application=True),
                    *default_connections(settings),
                ],
            ),
        ),
    ]


def _asks_by_http(site: Site) -> bool:
    certificate = site.tls.certificate
    return isinstance(certificate, AcmeCertificate) and certificate.dns is None


def _headers(settings: NginxSettings, site: Site) -> str:
    """The strict set, whatever the host's applications have: the site is ours, and works with
    it."""
    values = merge(strict(False, None, https=True), site.headers)
    if site.tls.hsts:
        values[HSTS] = site.tls.hsts.value
    # What a program on loopback allows other sites to read is not meant for this one.
    hidden = (*settings.hide_headers, "Access-Control-Allow-Origin")
    return headers_file(SiteHeaders(values), hidden)
