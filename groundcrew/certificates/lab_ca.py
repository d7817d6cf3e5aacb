"""A CA for labs, and certificates issued by it: files on the operator's machine, created when
needed."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import SecretStr

from groundcrew.certificates.material import CertificateError, Material, judge

DIRECTORY = ".groundcrew/ca"
CA_DAYS = 3650
LEAF_DAYS = 365
"""One day less than Mozilla's guideline allows."""

RENEW_DAYS = 30


def issue(project: Path, domains: Sequence[str], now: datetime | None = None) -> Material:
    """A certificate for the domains. An existing one is reused unless it is about to expire."""
    now = now or datetime.now(UTC)
    directory = project / DIRECTORY
    with _alone(directory):
        root, ca, ca_key = _authority(directory, now)
        digest = hashlib.sha256("\n".join(domains).encode()).hexdigest()[:16]
        file = directory / f"{digest}.pem"
        key, chain = _split(file)
        try:
            judge(chain, key, domains, now + timedelta(days=RENEW_DAYS))
            x509.load_pem_x509_certificate(chain.encode()).verify_directly_issued_by(ca)
        except (CertificateError, InvalidSignature, ValueError, TypeError):
            key, chain = _leaf(ca, ca_key, domains, now)
            _write(file, key + chain)
    return Material(chain, SecretStr(key), root)


def _split(file: Path) -> tuple[str, str]:
    text = file.read_text(encoding="ascii") if file.exists() else ""
    key, mark, chain = text.partition("-----BEGIN CERTIFICATE-----")
    return key, mark + chain


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _authority(
    directory: Path, now: datetime
) -> tuple[str, x509.Certificate, ec.EllipticCurvePrivateKey]:
    file, key_file = directory / "ca.pem", directory / "ca.key"
    if not (file.exists() and key_file.exists()):
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("groundcrew lab CA")
        certificate = (
            _builder(name, name, key, now, CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(ca=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        _write(key_file, _pem(key))
        _write(file, certificate.public_bytes(Encoding.PEM).decode(), mode=0o644)
    root = file.read_text(encoding="ascii")
    loaded = load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise CertificateError(f"{key_file} is not the lab CA's")
    return root, x509.load_pem_x509_certificate(root.encode()), loaded


def _leaf(
    ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, domains: Sequence[str], now: datetime
) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    # The common name is limited to 64 characters; clients use the alternative names below.
    subject = _name(next((name for name in domains if len(name) <= 64), "site"))
    certificate = (
        _builder(subject, ca.subject, key, now, LEAF_DAYS)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in domains]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
            critical=False,
        )
        .sign(ca_key, hashes.SHA256())
    )
    return _pem(key), certificate.public_bytes(Encoding.PEM).decode()


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    # Starts an hour ago, as hosts' clocks differ.
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days) - timedelta(hours=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _write(file: Path, text: str, mode: int = 0o600) -> None:
    staged = file.with_suffix(".new")
    staged.unlink(missing_ok=True)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text)
    staged.replace(file)
