"""Settings of HTTPS that hold for all applications of a host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import StringConstraints, model_validator

from groundcrew.apps.model import AppSettings
from groundcrew.certificates.material import CertificateError, read_chain
from groundcrew.model import Settings
from groundcrew.settings.certificates import read_pem

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
LETS_ENCRYPT_STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"


class AcmeSettings(Settings):
    """Where certificates of `type: acme` come from."""

    directory: Annotated[str, StringConstraints(pattern=r"^https://[^\s]+$")] | None = None
    """Address of the CA's ACME directory; default: Let's Encrypt's."""

    staging: bool = False
    """Let's Encrypt's staging directory: for tests, without the strict limits of the real one;
    browsers do not trust its certificates. Switching it off gets real ones."""

    agree_tos: bool = False
    """Whether you agree to the CA's terms of service. Required."""

    email: Annotated[str, StringConstraints(pattern=r"^[^@\s-][^@\s]*@[^@\s]+$")] | None = None
    """Address that the CA may write to; default: none is given."""

    ca_file: str | None = None
    """PEM file on the operator's machine, relative to the project directory, with the CA that a
    private directory's own HTTPS certificate is by."""

    @model_validator(mode="after")
    def _one_directory(self) -> AcmeSettings:
        if self.staging and self.directory:
            raise ValueError("staging is Let's Encrypt's: leave directory out")
        return self

    @property
    def server(self) -> str:
        """The directory in effect."""
        return self.directory or (LETS_ENCRYPT_STAGING if self.staging else LETS_ENCRYPT)

    @property
    def trusted(self) -> bool:
        """Whether everybody is to trust its certificates."""
        return self.directory is None and not self.staging


class TlsSettings(Settings):
    """HTTPS for the applications that have `tls`."""

    profile: Literal["intermediate", "modern"] = "intermediate"
    """Mozilla's guideline 6.0: `intermediate` for clients of the last ten years (TLS 1.2 and 1.3),
    `modern` for new ones only (TLS 1.3)."""

    acme: AcmeSettings = AcmeSettings()
    """Where certificates of `type: acme` come from."""

    def conflicts(
        self, apps: Mapping[str, AppSettings], project: Path
    ) -> Iterator[tuple[tuple[str, ...], str]]:
        """What is missing for the applications, by key."""
        users = [name for name, app in apps.items() if uses_acme(app)]
        if users and not self.acme.agree_tos:
            yield (
                ("tls", "acme", "agree_tos"),
                f'must be true for the certificate of application "{users[0]}": read the terms of '
                f"service at {self.acme.server}",
            )
        if self.acme.ca_file:
            try:
                read_chain(read_pem(project, self.acme.ca_file))
            except CertificateError as error:
                yield ("tls", "acme", "ca_file"), str(error)


def uses_acme(app: AppSettings) -> bool:
    """Whether the host gets the certificate by itself."""
    return app.tls is not None and app.tls.certificate.type == "acme"
