"""HTTPS in nginx's configuration, the files of certificates, and certbot's command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from groundcrew.certificates.material import Material
from groundcrew.entries import Absent, Directory, File, Link, Purge
from groundcrew.facts.certificates import CertificateState
from groundcrew.facts.nginx import NginxVersions
from groundcrew.manifest.model import AppSettings
from groundcrew.roles.nginx.context import Https
from groundcrew.roles.nginx.files import configuration
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.roles.tls import builders
from groundcrew.roles.tls.settings import LETS_ENCRYPT, AcmeSettings
from tests.unit.certificates import certificate, new_key
from tests.unit.nginx_files import OWN, contents

BOOKWORM = Https("intermediate", (1, 22, 1), (3, 0, 17))
TRIXIE = Https("intermediate", (1, 26, 3), (3, 5, 1))
ACME = {"certificate": {"type": "acme"}}
LAB = {"certificate": {"type": "self-signed"}}


def app(tls: Any = LAB, **values: Any) -> AppSettings:
    return AppSettings.model_validate(
        {
            "source": {"directory": "src"},
            "entry": "shop:app",
            "domains": ["shop.test", "www.shop.test"],
            "tls": tls,
            **values,
        }
    )


def files(item: AppSettings, https: Https = BOOKWORM) -> dict[str, str]:
    entries = configuration(NginxSettings(), {"shop": item}, {}, https)
    return {entry.path: str(entry.content) for entry in entries if isinstance(entry, File)}


def site(item: AppSettings, https: Https = BOOKWORM) -> str:
    return files(item, https)["/etc/nginx/sites-enabled/groundcrew-shop.conf"]


def test_without_tls_nothing_of_it_is_there() -> None:
    plain = app(tls=None)
    for text in contents(NginxSettings(), {"shop": plain}).values():
        assert "ssl" not in text.replace("X-Forwarded-Ssl", "").replace("FORWARDED_SSL", "").lower()
        assert "443" not in text
    assert Absent(f"{OWN}/tls.conf") in configuration(NginxSettings(), {"shop": plain})


def test_http2_by_version() -> None:
    assert "listen 443 ssl http2;" in site(app())
    assert "http2 on" not in site(app())
    assert "listen [::]:443 ssl;" in site(app(), TRIXIE)
    assert "http2 on;" in site(app(), TRIXIE)
    default = files(app(), TRIXIE)[f"{OWN}/default-server.conf"]
    assert "listen 443 ssl default_server backlog=4096;" in default
    assert "ssl_reject_handshake on;" in default


def test_profiles_by_version() -> None:
    text = files(app())[f"{OWN}/tls.conf"]
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in text
    assert "DHE-" not in text.replace("ECDHE-", "")
    assert "ssl_ecdh_curve X25519:prime256v1:secp384r1;" in text
    assert "?X25519MLKEM768:X25519:" in files(app(), TRIXIE)[f"{OWN}/tls.conf"]
    modern = files(app(), Https("modern", (1, 26), (3, 5)))[f"{OWN}/tls.conf"]
    assert "ssl_protocols TLSv1.3;" in modern
    assert "ssl_ciphers" not in modern


def test_versions_are_read() -> None:
    debian12 = ["nginx version: nginx/1.22.1", "built with OpenSSL 3.0.8 7 Feb 2023 (running with "
                "OpenSSL 3.0.17 1 Jul 2025)"]  # fmt: skip
    assert NginxVersions().process(debian12) == ((1, 22, 1), (3, 0, 17))
    assert NginxVersions().process(["sh: 1: nginx: not found"]) == ((), ())


def test_the_port_for_plain_http_redirects() -> None:
    text = site(app())
    redirect, _, served = text.partition("listen 443")
    assert "return 308 https://$host$request_uri;" in redirect
    assert "passing/shop.conf" not in redirect + served
    assert "acme-challenge" not in text
    assert "https://$host:8443$request_uri" in site(app(tls={**LAB, "port": 8443}))


def test_challenges_and_plain_health() -> None:
    text = site(app(tls={**ACME, "plain_health": True}, health={"path": "/up?x=1"}))
    assert "location ^~ /.well-known/acme-challenge/" in text
    assert 'location = "/up" {' in text
    hooks = {"certificate": {"type": "acme", "dns": {"add": "hook"}}}
    assert "acme-challenge" not in site(app(tls=hooks))


@pytest.mark.parametrize(
    ("more", "value"),
    [
        ({}, '"max-age=300"'),
        ({"hsts": {"max_age": 63072000, "include_subdomains": True}},
         '"max-age=63072000; includeSubDomains"'),
        ({"hsts": None}, None),
    ],
)  # fmt: skip
def test_hsts(more: dict[str, Any], value: str | None) -> None:
    rendered = files(app(tls={**LAB, **more}))
    line = f"add_header Strict-Transport-Security {value} always;"
    for path in (f"{OWN}/headers/shop.conf", f"{OWN}/maintenance/shop.conf"):
        assert (line in rendered[path]) if value else ("Strict-Transport" not in rendered[path])
    assert "Strict-Transport" not in rendered[f"{OWN}/headers.conf"]


def test_an_application_s_own_hsts_wins() -> None:
    own = app(nginx={"headers": {"strict-transport-security": "max-age=1"}})
    text = files(own)[f"{OWN}/headers/shop.conf"]
    assert "max-age=1" in text
    assert "max-age=300" not in text


def test_a_key_is_private_from_the_first_byte() -> None:
    material = Material("CHAIN", SecretStr("KEY"))
    entries = builders.entries(AcmeSettings(), {"shop": app()}, {"shop": material}, Path())
    assert entries == [
        Directory("/etc/ssl/groundcrew", mode="0700"),
        Directory("/etc/ssl/groundcrew/shop.own", mode="0700"),
        File("/etc/ssl/groundcrew/shop.own/fullchain.pem", "CHAIN"),
        File("/etc/ssl/groundcrew/shop.own/privkey.pem", "KEY", mode="0600", secret=True),
        Link("/etc/ssl/groundcrew/shop", "shop.own"),
        Purge("/etc/ssl/groundcrew", "*"),
    ]


def test_what_no_site_needs_is_removed() -> None:
    assert builders.entries(AcmeSettings(), {}, {}, Path()) == [Purge("/etc/ssl/groundcrew", "*")]


def test_acme_leaves_the_link_alone_and_trusts_a_private_directory(tmp_path: Path) -> None:
    ca = certificate(new_key(), subject="CA")
    (tmp_path / "ca.pem").write_text(ca)
    acme = AcmeSettings(directory="https://ca.test/dir", ca_file="ca.pem", agree_tos=True)
    entries = builders.entries(acme, {"shop": app(ACME)}, {}, tmp_path)
    assert not [entry for entry in entries if isinstance(entry, Link)]
    assert entries[-1] == Purge(
        "/etc/ssl/groundcrew", "*", keep=("shop", "shop.own", "shop.bootstrap")
    )
    texts = {entry.path: entry.content for entry in entries if isinstance(entry, File)}
    assert texts["/etc/ssl/groundcrew/acme-directory.ca"] == ca
    drop_in = texts["/etc/systemd/system/certbot.service.d/groundcrew.conf"]
    assert "REQUESTS_CA_BUNDLE=/etc/ssl/groundcrew/acme-directory.ca" in str(drop_in)


def state(**lineage: Any) -> CertificateState:
    known = {
        "names": ["www.shop.test", "shop.test"],
        "server": LETS_ENCRYPT,
        "authenticator": "webroot",
        **lineage,
    }
    return {"target": "", "usable": True, "lineage": known}  # type: ignore[typeddict-item]


def test_when_a_certificate_is_issued() -> None:
    acme = AcmeSettings()
    nothing: CertificateState = {"target": None, "usable": False, "lineage": None}
    assert builders.why(acme, app(ACME), nothing) == "there is none yet"
    assert builders.why(acme, app(ACME), state()) is None
    assert builders.why(acme, app(ACME), state(names=["shop.test"])) == "it is for shop.test"
    assert "it was issued by" in (
        builders.why(AcmeSettings(staging=True), app(ACME), state()) or ""
    )
    assert builders.why(acme, app(ACME), state(authenticator="manual"))


def test_certbot_is_told_everything() -> None:
    acme = AcmeSettings(email="me@shop.test", agree_tos=True)
    command = builders.certbot_command("shop", app(ACME), acme, again=False)
    assert command == (
        f"certbot certonly --non-interactive --agree-tos --cert-name shop --server "
        f"{LETS_ENCRYPT} --email me@shop.test --no-eff-email --webroot --webroot-path "
        "/var/lib/groundcrew-acme --domain shop.test --domain www.shop.test"
    )
    hooks = {"certificate": {"type": "acme", "dns": {"add": "a", "remove": "b"}}}
    command = builders.certbot_command("shop", app(hooks), AcmeSettings(), again=True)
    assert "--register-unsafely-without-email --force-renewal --renew-with-new-domains" in command
    assert "--manual-auth-hook /etc/ssl/groundcrew/shop.dns-add" in command
    assert "--manual-cleanup-hook /etc/ssl/groundcrew/shop.dns-remove" in command


def test_packages_only_where_they_are_used() -> None:
    assert builders.packages({"shop": app()}) == ()
    assert builders.packages({"shop": app(ACME)}) == ("certbot", "openssl")
