"""HTTPS of an application."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from groundcrew.apps.secret import SecretSource
from groundcrew.model import Settings

YEAR = 31536000
HSTS = "Strict-Transport-Security"


class OwnCertificate(Settings):
    """A certificate that you have. It is refused, before any host is touched, unless it fits its
    key, is valid today, and is for every domain of the application."""

    type: Literal["own"]
    """Which kind."""

    chain: str
    """PEM file on the operator's machine, relative to the project directory: the certificate, then
    those between it and its root, without the root."""

    key: SecretSource
    """Its private key in PEM, without a passphrase: `{file: PATH}`, `{command: ...}` or
    `{env: NAME}`."""

    ca_file: str | None = None
    """PEM file with the root, where that is not one that everybody trusts; for verify."""


class SelfSignedCertificate(Settings):
    """For labs: a certificate by a CA that is made once per project, in `.groundcrew/ca` on the
    operator's machine; its `ca.pem` is what browsers are to trust. A run replaces a certificate
    that has less than 30 days left."""

    type: Literal["self-signed"]
    """Which kind."""


class DnsHooks(Settings):
    """Programs of yours that prove by a record in the DNS whose the domains are (DNS-01): for
    domains with `*.`, for several hosts with one domain, and where port 80 cannot be reached. They
    are kept on the host, where only root can read them, because every renewal runs them."""

    add: str
    """Program on the operator's machine, relative to the project directory, that makes the record:
    TXT `_acme-challenge.$CERTBOT_DOMAIN` with the value `$CERTBOT_VALIDATION`, and waits until the
    name servers have it."""

    remove: str | None = None
    """Program that removes it again."""


class AcmeCertificate(Settings):
    """A certificate that certbot gets for the host, and renews by itself (certbot.timer). See
    `tls.acme`."""

    type: Literal["acme"]
    """Which kind."""

    dns: DnsHooks | None = None
    """Default: a file on port 80 proves whose the domains are (HTTP-01), so their names must lead
    to this host."""


_TAGS = {kind: f"that is {kind}" for kind in ("own", "self-signed", "acme")}


def _tag(value: Any) -> str | None:
    given = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return _TAGS.get(given) if isinstance(given, str) else None


Certificate = Annotated[
    Annotated[OwnCertificate, Tag("that is own")]
    | Annotated[SelfSignedCertificate, Tag("that is self-signed")]
    | Annotated[AcmeCertificate, Tag("that is acme")],
    Discriminator(
        _tag,
        custom_error_type="kind",
        custom_error_message="expected {expected}",
        custom_error_context={"key": "type", "expected": "'acme', 'own' or 'self-signed'"},
    ),
]
"""Every kind of certificate, told apart by `type`."""


class Hsts(Settings):
    """Strict-Transport-Security: browsers that have seen it ask for nothing but HTTPS. It cannot be
    taken back before its time is over: begin with the short default, go on with
    `max_age: 63072000` when everything works."""

    max_age: int = Field(300, ge=0)
    """Seconds that browsers remember it; 0 makes those who come back forget it."""

    include_subdomains: bool = False
    """Whether it holds for all names below the domains too."""

    preload: bool = False
    """Consent to be built into browsers (hstspreload.org); hard to undo."""

    @model_validator(mode="after")
    def _the_list_takes_it(self) -> Hsts:
        if self.preload and not (self.include_subdomains and self.max_age >= YEAR):
            raise ValueError(
                f"preload needs include_subdomains: true and max_age of at least {YEAR}"
            )
        return self

    @property
    def value(self) -> str:
        """The header's value."""
        parts = [f"max-age={self.max_age}"]
        parts += ["includeSubDomains"] if self.include_subdomains else []
        parts += ["preload"] if self.preload else []
        return "; ".join(parts)


class Tls(Settings):
    """HTTPS. With it, `port` answers with redirects to HTTPS only."""

    certificate: Certificate
    """Where the certificate comes from: `type: acme`, `own` or `self-signed`, with the keys of that
    kind."""

    port: int = Field(443, ge=1, le=65535)
    """Port on which nginx speaks HTTPS."""

    hsts: Hsts | None = Hsts()
    """Strict-Transport-Security; null sends none."""

    plain_health: bool = False
    """Whether the health path is answered on `port` too, for load balancers that do not speak
    HTTPS."""
