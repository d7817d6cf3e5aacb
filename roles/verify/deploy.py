"""Verification of a host, or of a URL."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra.api import deploy

from roles.verify import operations
from roles.verify.expected import Expected, Gzip
from roles.verify.settings import VerifySettings

PACKAGES = ("iproute2", "logrotate")
"""Debian packages that the checks on the host use."""


@deploy("verify")
def apply(settings: VerifySettings, expected: Expected) -> None:
    """The host keeps what its settings promise, or the run fails."""
    operations.host(name="host", settings=settings, expected=expected)


@deploy("verify")
def apply_url(
    settings: VerifySettings, url: str, security_headers: Iterable[str], gzip: Gzip
) -> None:
    """A URL answers as a well-kept site does, or the run fails."""
    operations.url(
        name=url, settings=settings, address=url, security_headers=security_headers, gzip=gzip
    )
