"""What a database of vulnerabilities said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from groundcrew.audit.packages import Package


@dataclass(frozen=True)
class Finding:
    """Something known against a version of a package."""

    package: Package
    names: tuple[str, ...]
    """Its identifiers: CVE, GHSA, PYSEC."""

    fixed: tuple[str, ...] = ()
    """Versions that are without it."""

    title: str = ""


@dataclass
class Answer:
    """Findings, and packages about which there was no answer, each with the reason."""

    findings: list[Finding] = field(default_factory=list)
    unknown: dict[Package, str] = field(default_factory=dict)


def nothing(packages: Sequence[Package], reason: str) -> Answer:
    """No answer at all."""
    return Answer(unknown=dict.fromkeys(packages, reason))


def decoy(packages: Sequence[Package], known: Sequence[Package]) -> Package | None:
    """A version against which something has been known for years, of a package that is not among
    the others: an answer that does not name it comes from no database."""
    names = {package.name for package in packages}
    return next((item for item in known if item.name not in names), None)
