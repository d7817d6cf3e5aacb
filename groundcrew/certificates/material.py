"""A certificate with its key, and the check that they can serve a site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

SHORTEST_RSA = 2048
"""In bits; browsers refuse shorter keys."""


class CertificateError(Exception):
    """A certificate that cannot serve a site; the message says why, without secrets."""


@dataclass(frozen=True)
class Material:
    """The certificate and key that a host gets."""

    chain: str
    """PEM: the certificate, then the intermediate certificates."""

    key: SecretStr = field(repr=False)
    """PEM of the private key."""

    root: str | None = None
    """PEM of verify's trust anchor; None: the trust store of the operator's machine."""


def judge(chain: str, key: str, domains: Sequence[str], now: datetime | None = None) -> None:
    """Raises CertificateError unless the chain and the key can serve all `domains` at `now`."""
    certificates = read_chain(chain)
    leaf = certificates[0]
    _dates(certificates, now or datetime.now(UTC))
    _order(certificates)
    _matches(leaf, key)
    names = names_of(leaf)
    missing = [domain for domain in domains if not covers(names, domain)]
    if missing:
        covered = ", ".join(names) or "no name"
        raise CertificateError(f"the certificate is not for {', '.join(missing)} but for {covered}")


def read_chain(text: str) -> list[x509.Certificate]:
    """The certificates of a PEM file in order. Raises CertificateError if there are none."""
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise CertificateError("no certificate in PEM") from None


def names_of(certificate: x509.Certificate) -> list[str]:
    """The certificate's host names. Like browsers, ignores the common name."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]


def covers(names: Sequence[str], domain: str) -> bool:
    """Whether one of the names matches the domain; `*` stands for one label."""
    return domain in names or f"*.{domain.partition('.')[2]}" in names


def _dates(certificates: Sequence[x509.Certificate], now: datetime) -> None:
    for number, item in enumerate(certificates):
        which = "the certificate" if number == 0 else f"certificate {number + 1} of the chain"
        if now > item.not_valid_after_utc:
            raise CertificateError(f"{which} has expired on {item.not_valid_after_utc:%Y-%m-%d}")
        if now < item.not_valid_before_utc:
            raise CertificateError(
                f"{which} is not valid before {item.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            )


def _order(certificates: Sequence[x509.Certificate]) -> None:
    for number, item in enumerate(certificates[:-1]):
        try:
            item.verify_directly_issued_by(certificates[number + 1])
        except (ValueError, TypeError, InvalidSignature):
            raise CertificateError(
                f"certificate {number + 2} of the chain did not issue the one before it: the "
                "site's own comes first, then its issuer, and so on"
            ) from None


def _matches(leaf: x509.Certificate, key: str) -> None:
    try:
        private = load_pem_private_key(key.encode(), password=None)
    except TypeError:
        raise CertificateError("the key has a passphrase, which nginx could not give") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError("the key is no private key in PEM") from None
    public = private.public_key()
    if not isinstance(public, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)):
        raise CertificateError("browsers take RSA and elliptic curve keys only")
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < SHORTEST_RSA:
        raise CertificateError(f"the key has {public.key_size} bits, {SHORTEST_RSA} are needed")
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise CertificateError("the key is not the certificate's")
