"""Settings of HTTPS that are refused, and where the error points."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundcrew.manifest.tls import Hsts
from tests.unit.certificates import certificate, new_key, pem
from tests.unit.project import Project

MANIFEST = "apps/shop.yml"
KEY = new_key()
SECOND = "source: {directory: src}\nentry: shop:app\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def own(project: Project, chain: str, key: str = "") -> None:
    project.write("shop.pem", chain)
    project.write("shop.key", key or pem(KEY))
    project.app(more="tls: {certificate: {type: own, chain: shop.pem, key: {file: shop.key}}}\n")


def test_an_own_certificate_is_read(project: Project) -> None:
    own(project, certificate(KEY, "shop.test"))
    loaded = project.load()["web1"]
    assert loaded.certificates["shop"].chain == certificate_text(project)
    assert "PRIVATE" not in repr(loaded)


def certificate_text(project: Project) -> str:
    return (project.root / "shop.pem").read_text()


def test_a_certificate_for_another_name(project: Project) -> None:
    own(project, certificate(KEY, "other.test"))
    assert project.error() == (
        MANIFEST,
        "app.shop.tls.certificate.chain",
        "the certificate is not for shop.test but for other.test",
    )


def test_a_certificate_of_another_key(project: Project) -> None:
    own(project, certificate(KEY, "shop.test"), pem(new_key()))
    assert project.error()[2] == "the key is not the certificate's"


def test_files_that_are_not_there(project: Project) -> None:
    project.app(more="tls: {certificate: {type: own, chain: no.pem, key: {file: no.key}}}\n")
    layer, key, message = project.error()
    assert (layer, key) == (MANIFEST, "app.shop.tls.certificate.key")
    assert message.endswith("no.key cannot be read: No such file or directory")


def test_a_key_in_the_manifest_is_not_shown(project: Project) -> None:
    project.app(more="tls: {certificate: {type: own, chain: x.pem, key: 'MY PRIVATE KEY'}}\n")
    assert project.error() == (
        MANIFEST, "app.shop.tls.certificate.key", "expected a mapping, got another value",
    )  # fmt: skip


def test_kinds(project: Project) -> None:
    project.app(more="tls: {certificate: {type: owned}}\n")
    assert project.error() == (
        MANIFEST,
        "app.shop.tls.certificate.type",
        "expected 'acme', 'own' or 'self-signed', got another value",
    )


def test_it_needs_names(project: Project) -> None:
    project.app(text=SECOND + "tls: {certificate: {type: self-signed}}\n")
    assert project.error()[1:] == (
        "app.shop.domains", "tls needs them: certificates are for names",
    )  # fmt: skip


def test_acme_needs_consent_and_hooks_for_a_star(project: Project) -> None:
    project.app(more="tls: {certificate: {type: acme}}\n")
    assert project.error()[1] == "tls.acme.agree_tos"
    project.write(f"{MANIFEST}", SECOND + "domains: ['*.test']\ntls: {certificate: {type: acme}}\n")
    assert '"*.test"' in project.errors()[0][2]


def test_hooks_and_the_directory_s_ca_must_be_there(project: Project) -> None:
    project.app(more="tls: {certificate: {type: acme, dns: {add: hook.sh}}}\n")
    project.all["tls"] = {"acme": {"agree_tos": True, "ca_file": "ca.pem"}}
    assert [item[1] for item in project.errors()] == [
        "app.shop.tls.certificate.dns.add", "tls.acme.ca_file",
    ]  # fmt: skip


def test_what_shares_a_name_shares_its_certificate(project: Project) -> None:
    project.app(more="tls: {certificate: {type: self-signed}}\n")
    project.app("blog", text=SECOND + "domains: [shop.test]\nprefix: /blog\n")
    assert project.error()[1] == "app.blog.tls"


def test_a_port_is_for_one_protocol(project: Project) -> None:
    project.app(more="tls: {certificate: {type: self-signed}}\n")
    project.app("blog", text=SECOND + "domains: [blog.test]\nport: 443\n")
    assert project.error()[1:] == (
        "app.blog.port", 'port 443 is for HTTPS of application "shop"',
    )  # fmt: skip


def test_a_name_over_https_belongs_to_one(project: Project) -> None:
    project.app(more="tls: {certificate: {type: self-signed}}\n")
    more = "domains: [shop.test]\nport: 81\ntls: {certificate: {type: self-signed}}\n"
    project.app("blog", text=SECOND + more)
    assert project.error()[1:] == (
        "app.blog.domains", 'domain "shop.test" on port 443 belongs to application "shop"',
    )  # fmt: skip


def test_preload_is_refused_where_the_list_would_refuse_it(project: Project) -> None:
    project.app(more="tls: {certificate: {type: self-signed}, hsts: {preload: true}}\n")
    _, key, message = project.error()
    assert key == "app.shop.tls.hsts.preload"
    assert message.startswith("needs include_subdomains")
    full = Hsts(max_age=63072000, include_subdomains=True, preload=True)
    assert full.value == "max-age=63072000; includeSubDomains; preload"


ISSUER_KEY = new_key()
ISSUER = certificate(ISSUER_KEY, issuer="root", subject="issuer")
ISSUED = certificate(KEY, "shop.test", issuer="issuer", issuer_key=ISSUER_KEY)


@pytest.mark.parametrize(
    "chain",
    [
        ISSUED.rstrip("\n") + ISSUER,
        (ISSUED + ISSUER).replace("\n", "\r\n"),
        "\ufeff" + ISSUED + ISSUER,
        f"Bag Attributes\n    friendlyName: Müller\n{ISSUED}Bag Attributes: none\n{ISSUER}",
        pem(KEY) + ISSUED + ISSUER,
        (ISSUED + ISSUER).replace("\n", "\n   "),
    ],
    ids=[
        "joined without a newline",
        "CRLF",
        "byte order mark",
        "bag attributes",
        "with its key",
        "indented",
    ],
)
def test_a_chain_as_people_have_it_is_put_as_nginx_reads_it(project: Project, chain: str) -> None:
    """OpenSSL would skip what stands behind a byte order mark, and refuse what is joined."""
    own(project, chain, "\ufeff" + pem(KEY).replace("\n", "\r\n") + ISSUED)
    material = project.load()["web1"].certificates["shop"]
    assert material.chain == ISSUED + ISSUER
    assert material.key.get_secret_value() == pem(KEY)


def test_what_is_no_pem_is_told_how_to_become_it(project: Project) -> None:
    own(project, "")
    shop = project.root / "shop.pem"
    for content, told in {
        b"\x30\x82\x01\x00": "openssl x509 -inform der",
        b"-----BEGIN PKCS7-----\nMII\n-----END PKCS7-----\n": "openssl pkcs7 -print_certs",
        pem(KEY).encode(): "it is a private key",
        b"text": "has no certificate in PEM",
    }.items():
        shop.write_bytes(content)
        layer, key, message = project.error()
        assert (layer, key) == (MANIFEST, "app.shop.tls.certificate.chain")
        assert told in message


def test_names_that_lead_to_another_are_in_the_certificate_too(project: Project) -> None:
    own(project, certificate(KEY, "shop.test"))
    text = (project.root / MANIFEST).read_text()
    project.write(MANIFEST, f"{text}redirects: {{www.shop.test: shop.test}}\n")
    assert "not for www.shop.test but for shop.test" in project.error()[2]
    project.write("shop.pem", certificate(KEY, "shop.test", "www.shop.test"))
    assert project.settings().app["shop"].names == ("shop.test", "www.shop.test")


def test_acme_proves_a_star_that_leads_away_by_dns_only(project: Project) -> None:
    project.app(more="redirects: {'*.shop.test': shop.test}\ntls: {certificate: {type: acme}}\n")
    assert '"*.shop.test"' in project.errors()[0][2]
