"""Operations of the verify role."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyinfra.api import deploy

from groundcrew.contract import Brought
from groundcrew.partial import ALL, Parts
from groundcrew.roles.verify.expected import Expected, Gzip
from groundcrew.roles.verify.settings import VerifySettings


@deploy("verify")
def apply(
    settings: VerifySettings,
    expected: Expected,
    brought: Brought,
    parts: Parts = ALL,
    sites: Sequence[str] = (),
) -> None:
    """Fails the run unless the host serves what its settings promise. `brought` has the roles' own
    checks; those of roles that are not in `parts`, and those of sites if one of the roles `sites`
    is not, only warn."""
    from groundcrew.roles.verify import operations  # noqa: PLC0415 - 0.05 s of every run's start

    operations.host(
        name="host",
        settings=settings,
        expected=expected,
        brought=brought,
        parts=parts,
        sites=sites,
    )


@deploy("verify")
def apply_url(
    settings: VerifySettings, url: str, security_headers: Iterable[str], gzip: Gzip
) -> None:
    """Fails the run unless a URL passes the checks for any site."""
    from groundcrew.roles.verify import operations  # noqa: PLC0415 - see above

    operations.url(
        name=url, settings=settings, address=url, security_headers=security_headers, gzip=gzip
    )
