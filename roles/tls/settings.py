"""Settings of HTTPS for all applications of a host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import StringConstraints, model_validator

from groundcrew.certificates.material import CertificateError, read_chain
from groundcrew.contract import Brings, HostView, RoleSettings
from groundcrew.model import Settings, WrongValueError
from groundcrew.settings.certificates import read_pem
from groundcrew.sites import Secured, Site

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"


class AcmeSettings(Settings):
    """Where certificates of `type: acme` come from."""

    directory: Annotated[str, StringConstraints(pattern=r"^https://[^\s]+$")] | None = None
    """Address of the ACME directory of the CA; null: Let's Encrypt's."""

    staging: bool = False
    """Whether Let's Encrypt's staging directory is used, for tests: it has no strict limits, and
    browsers do not trust its certificates. When it is switched off again, real certificates are
    issued.
    Source: <https://letsencrypt.org/docs/staging-environment/>."""

    agree_tos: bool = False
    """Whether you agree to the CA's terms of service; must be true."""

    email: Annotated[str, StringConstraints(pattern=r"^[^@\s-][^@\s]*@[^@\s]+$")] | None = None
    """Email address that the CA may write to; null: none."""

    ca_file: str | None = None
    """PEM file on the operator's machine, relative to the project directory: the CA that has signed
    the HTTPS certificate of a private ACME directory."""

    @model_validator(mode="after")
    def _one_directory(self) -> AcmeSettings:
        if self.staging and self.directory:
            raise WrongValueError(
                "directory", "leave it out: staging is a directory of Let's Encrypt"
            )
        return self

    @property
    def server(self) -> str:
        """URL of the ACME directory in effect."""
        return self.directory or (LETS_ENCRYPT_STAGING if self.staging else LETS_ENCRYPT)

    @property
    def trusted(self) -> bool:
        """Whether the CA is publicly trusted, as far as the settings tell."""
        return self.directory is None and not self.staging


class TlsSettings(RoleSettings):
    """HTTPS for the applications that have `tls`."""

    profile: Literal["intermediate", "modern"] = "intermediate"
    """Guideline for protocols and ciphers, version 6.0: `intermediate` for clients of the last ten
    years (TLS 1.2 and 1.3), `modern` for new clients only (TLS 1.3).
    Source: <https://wiki.mozilla.org/Security/Server_Side_TLS>."""

    acme: AcmeSettings = AcmeSettings()
    """Where certificates of `type: acme` come from."""

    def conflicts(
        self, sites: Mapping[str, Secured], project: Path
    ) -> Iterator[tuple[tuple[str, ...], str]]:
        """Settings that are missing or invalid for applications and sites of roles: key ->
        reason."""
        users = [name for name, site in sites.items() if uses_acme(site)]
        if users and not self.acme.agree_tos:
            of_role = isinstance(sites[users[0]], Site)
            whose = users[0] if of_role else f'application "{users[0]}"'
            yield (
                ("tls", "acme", "agree_tos"),
                f"must be true for the certificate of {whose}: read the terms of "
                f"service at {self.acme.server}, then write "
                'tls = {"acme": {"agree_tos": True, "email": "you@example.org"}} in '
                "group_data/all.py",
            )
        if self.acme.ca_file:
            try:
                read_chain(read_pem(project, self.acme.ca_file))
            except CertificateError as error:
                yield ("tls", "acme", "ca_file"), str(error)

    def brings(self, host: HostView) -> Brings:
        """See `roles/tls/brings.py`."""
        from groundcrew.roles.tls.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)


def uses_acme(app: Secured) -> bool:
    """Whether the host gets the site's certificate by ACME."""
    return app.tls is not None and app.tls.certificate.type == "acme"
