"""Settings of HTTPS."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, Tag, model_validator

from groundcrew.manifest.secret import OperatorSecret
from groundcrew.model import Settings, WrongValueError, by_type

YEAR = 31536000
HSTS = "Strict-Transport-Security"


class OwnCertificate(Settings):
    """A certificate of your own. It is refused, before any host is touched, unless it fits its key,
    is valid today, and covers every domain of the application."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"type": "own", "chain": "certs/shop.pem", "key": {"file": "certs/shop.key"}}
            ]
        }
    )

    type: Literal["own"]
    """Kind of certificate."""

    chain: str
    """PEM file on the operator's machine, relative to the project directory: the certificate, then
    the intermediate certificates, without the root."""

    key: OperatorSecret
    """The certificate's private key in PEM, without a passphrase: `{file: PATH}`, `{command: ...}`
    or `{env: NAME}`."""

    ca_file: str | None = None
    """PEM file on the operator's machine with the root certificate, for verify, if the root is not
    publicly trusted."""


class SelfSignedCertificate(Settings):
    """A certificate for labs. Its CA is made once per project, in `.groundcrew/ca` on the
    operator's machine; browsers must trust the CA's `ca.pem`. A run replaces a certificate that has
    less than 30 days left."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "self-signed"}]})

    type: Literal["self-signed"]
    """Kind of certificate."""


class DnsHooks(Settings):
    """Programs of yours that prove with a DNS record that the domains are yours (DNS-01): for
    domains with `*.`, for several hosts with one domain, and if port 80 cannot be reached. The host
    keeps them, readable by root only, because every renewal runs them."""

    add: str
    """Program on the operator's machine, relative to the project directory, that creates the TXT
    record `_acme-challenge.$CERTBOT_DOMAIN` with the value `$CERTBOT_VALIDATION` and waits until
    the name servers have it."""

    remove: str | None = None
    """Program that removes the record; null: the record stays."""


class AcmeCertificate(Settings):
    """A certificate that certbot gets on the host and renews by itself (certbot.timer). See
    `tls.acme`. Until the first one is issued, the host uses a self-signed placeholder."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "acme"}]})

    type: Literal["acme"]
    """Kind of certificate."""

    dns: DnsHooks | None = None
    """Programs that prove with a DNS record that the domains are yours. null: a file on port 80
    proves it (HTTP-01), so the domains must lead to this host."""


Certificate = Annotated[
    Annotated[OwnCertificate, Tag("that is own")]
    | Annotated[SelfSignedCertificate, Tag("that is self-signed")]
    | Annotated[AcmeCertificate, Tag("that is acme")],
    by_type("own", "self-signed", "acme", expected="'acme', 'own' or 'self-signed'"),
]
"""Any kind of certificate; `type` selects it."""


class Hsts(Settings):
    """Strict-Transport-Security: browsers that have seen it use HTTPS only. It cannot be revoked
    before it expires: begin with the short default, and set `max_age: 63072000` when everything
    works."""

    max_age: int = Field(300, ge=0)
    """Seconds for which browsers remember it; 0 makes browsers that come back forget it."""

    include_subdomains: bool = False
    """Whether it also holds for all names below the domains."""

    preload: bool = False
    """Whether you agree that browsers are shipped with the domains built in, which is hard to undo.
    Source: <https://hstspreload.org/>."""

    @model_validator(mode="after")
    def _the_list_takes_it(self) -> Hsts:
        if self.preload and not (self.include_subdomains and self.max_age >= YEAR):
            raise WrongValueError(
                "preload", f"needs include_subdomains: true and max_age of at least {YEAR}"
            )
        return self

    @property
    def value(self) -> str:
        """Value of the header."""
        parts = [f"max-age={self.max_age}"]
        parts += ["includeSubDomains"] if self.include_subdomains else []
        parts += ["preload"] if self.preload else []
        return "; ".join(parts)


class Tls(Settings):
    """HTTPS. With it, `port` only redirects to HTTPS."""

    certificate: Certificate
    """Where the certificate comes from: `type: acme`, `own` or `self-signed`, with the keys of that
    type."""

    port: int = Field(443, ge=1, le=65535)
    """Port on which nginx serves HTTPS."""

    hsts: Hsts | None = Hsts()
    """Strict-Transport-Security; null: the header is not sent."""

    plain_health: bool = False
    """Whether nginx also answers the health path on `port`, for load balancers that do not speak
    HTTPS."""
