"""The answer of a vulnerability database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from groundcrew.audit.packages import Package


@dataclass(frozen=True)
class Finding:
    """A vulnerability of a package version."""

    package: Package
    names: tuple[str, ...]
    """Identifiers: CVE, GHSA, PYSEC."""

    fixed: tuple[str, ...] = ()
    """Versions without the vulnerability."""

    title: str = ""


@dataclass
class Answer:
    """Findings, and the packages without an answer, each with the reason."""

    findings: list[Finding] = field(default_factory=list)
    unknown: dict[Package, str] = field(default_factory=dict)


def nothing(packages: Sequence[Package], reason: str) -> Answer:
    """An answer that knows nothing about any of the packages."""
    return Answer(unknown=dict.fromkeys(packages, reason))


def decoy(packages: Sequence[Package], known: Sequence[Package]) -> Package | None:
    """A version with a long-known vulnerability, of a package that is not among `packages`. If an
    answer does not report it, the answer does not come from a working database. None if all are
    taken."""
    names = {package.name for package in packages}
    return next((item for item in known if item.name not in names), None)
