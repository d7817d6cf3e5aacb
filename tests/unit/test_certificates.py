"""What a certificate must be to be put on a host, and the CA for labs."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from groundcrew.certificates import lab_ca
from groundcrew.certificates.material import CertificateError, covers, judge, names_of, read_chain
from tests.unit.certificates import NOW, certificate, new_key, pem

KEY = new_key()
GOOD = certificate(KEY, "shop.test", "*.shop.test")


def refused(chain: str, key: str, *domains: str) -> str:
    with pytest.raises(CertificateError) as caught:
        judge(chain, key, domains or ("shop.test",))
    assert "PRIVATE" not in str(caught.value)
    return str(caught.value)


def test_a_good_one() -> None:
    judge(GOOD, pem(KEY), ("shop.test", "www.shop.test", "*.shop.test"))


def test_a_star_stands_for_one_label() -> None:
    assert not covers(["*.shop.test"], "shop.test")
    assert not covers(["*.shop.test"], "a.b.shop.test")


def test_another_key() -> None:
    assert refused(GOOD, pem(new_key())) == "the key is not the certificate's"


def test_no_key_or_one_with_a_passphrase() -> None:
    assert "no private key" in refused(GOOD, "secret")
    assert "passphrase" in refused(GOOD, pem(KEY, b"open"))


def test_a_short_rsa_key() -> None:
    key = rsa.generate_private_key(65537, 1024)
    assert "1024 bits" in refused(certificate(key, "shop.test"), pem(key))


def test_dates() -> None:
    assert "has expired" in refused(certificate(KEY, "shop.test", start=-100), pem(KEY))
    assert "not valid before" in refused(certificate(KEY, "shop.test", start=1), pem(KEY))


def test_other_names_and_none() -> None:
    assert refused(GOOD, pem(KEY), "shop.test", "other.test") == (
        "the certificate is not for other.test but for shop.test, *.shop.test"
    )
    assert refused(certificate(KEY), pem(KEY)) == (
        "the certificate is not for shop.test but for no name"
    )


def test_a_chain_in_the_wrong_order() -> None:
    root = new_key()
    issuer = certificate(root, issuer="root", subject="issuer")
    leaf = certificate(KEY, "shop.test", issuer="issuer", issuer_key=root)
    judge(leaf + issuer, pem(KEY), ("shop.test",))
    assert "did not issue" in refused(leaf + GOOD, pem(KEY))
    assert refused("text", pem(KEY)) == "no certificate in PEM"


def test_the_lab_ca_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = lab_ca.issue(tmp_path, ("shop.test", "*.shop.test"))
    judge(first.chain, first.key.get_secret_value(), ("shop.test", "www.shop.test"))
    assert lab_ca.issue(tmp_path, ("shop.test", "*.shop.test")) == first
    other = lab_ca.issue(tmp_path, ("other.test",))
    assert other.root == first.root == (tmp_path / ".groundcrew/ca/ca.pem").read_text()
    [leaf], [root] = read_chain(first.chain), read_chain(first.root or "")
    leaf.verify_directly_issued_by(root)
    assert names_of(leaf) == ["shop.test", "*.shop.test"]
    for file in (tmp_path / ".groundcrew/ca").iterdir():
        if file.name != "ca.pem":
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert "PRIVATE" not in repr(first)


def test_it_renews_before_the_end(tmp_path: Path) -> None:
    first = lab_ca.issue(tmp_path, ("shop.test",))
    later = NOW + timedelta(days=lab_ca.LEAF_DAYS - lab_ca.RENEW_DAYS)
    assert lab_ca.issue(tmp_path, ("shop.test",), later - timedelta(days=2)) == first
    assert lab_ca.issue(tmp_path, ("shop.test",), later + timedelta(days=1)).chain != first.chain


def test_a_new_ca_replaces_what_the_old_one_issued(tmp_path: Path) -> None:
    first = lab_ca.issue(tmp_path, ("shop.test",))
    (tmp_path / ".groundcrew/ca/ca.pem").unlink()
    second = lab_ca.issue(tmp_path, ("shop.test",))
    assert second.root != first.root
    assert second.chain != first.chain
