"""The certificate that a site presents to the operator's machine."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cryptography import x509

from groundcrew.certificates.material import names_of
from groundcrew.roles.verify.client import PROXY, reason, unverified
from groundcrew.roles.verify.expected import Root
from groundcrew.roles.verify.settings import VerifySettings


@dataclass(frozen=True)
class Shown:
    """The result of a TLS handshake like a browser's."""

    names: tuple[str, ...] = ()
    days: float = 0
    """Days until it expires."""

    issuer: str = ""
    protocol: str = ""
    """TLS version."""

    http2: bool = False
    distrust: str | None = None
    """Why the certificate is not trusted; None if it is, or if trust is not checked."""

    own_issuer: bool = False
    """Whether it is self-signed."""

    error: str | None = None
    """Why the handshake failed."""


def look(
    settings: VerifySettings,
    address: str,
    port: int,
    name: str,
    root: Root,
    *,
    proxy_protocol: bool = False,
) -> Shown:
    """Does a handshake with the site `name`, first verifying against `root`, then without
    verification."""
    preface = PROXY if proxy_protocol else b""
    distrust = None
    try:
        if root.known:
            trusting = ssl.create_default_context(cadata=root.pem)
            try:
                return _handshake(settings, (address, port), name, trusting, preface)
            except ssl.SSLCertVerificationError as error:
                distrust = error.verify_message
        shown = _handshake(settings, (address, port), name, unverified(), preface)
        return replace(shown, distrust=distrust)
    except (OSError, ValueError) as error:
        return Shown(error=reason(error))


def _handshake(
    settings: VerifySettings,
    place: tuple[str, int],
    name: str,
    context: ssl.SSLContext,
    preface: bytes,
) -> Shown:
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(place, timeout=settings.timeout) as plain:
        plain.sendall(preface)
        with context.wrap_socket(plain, server_hostname=name) as connection:
            return _shown(connection)


def _shown(connection: ssl.SSLSocket) -> Shown:
    raw = connection.getpeercert(binary_form=True) or b""
    certificate = x509.load_der_x509_certificate(raw)
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    return Shown(
        names=tuple(names_of(certificate)),
        days=left.total_seconds() / 86400,
        issuer=certificate.issuer.rfc4514_string(),
        protocol=connection.version() or "",
        http2=connection.selected_alpn_protocol() == "h2",
        own_issuer=certificate.issuer == certificate.subject,
    )
