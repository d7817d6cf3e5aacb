"""The packages to audit, with their versions, by subject."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from groundcrew.remote.requirements import logical_lines, requirement_name
from groundcrew.remote.sbom import npm_packages

PYPI, NPM, DEB = "pypi", "npm", "deb"
_PIN = re.compile(r"^[\w.-]+(?:\[[^\]]*\])?\s*==\s*([^\s;,*]+)\s*(?:;|--hash|$)")
_PURL = re.compile(r"^pkg:(pypi|npm)/([^?#]+)@([^?#]+)")


@dataclass(frozen=True, order=True)
class Package:
    """A package version from PyPI, npm or Debian."""

    index: str
    name: str
    version: str


@dataclass(frozen=True, order=True)
class Update:
    """An available update of a package that a host has."""

    package: Package
    available: str
    security: bool
    """Whether a security suite has a newer version."""

    suites: tuple[str, ...] = ()
    """Suites that have the update."""


@dataclass
class Subject:
    """A set of packages that is audited together: an application, a host, a lock file."""

    label: str
    packages: set[Package] = field(default_factory=set)
    own: list[str] = field(default_factory=list)
    """Packages from no index or archive, for which no vulnerability data exists."""

    unknown: list[str] = field(default_factory=list)
    """What could not be determined."""

    updates: list[Update] = field(default_factory=list)
    """Updates according to a host's package lists."""


def from_sbom(label: str, document: Any) -> Subject:
    """The packages of a CycloneDX document. Raises ValueError if it is none."""
    if not isinstance(document, dict) or document.get("bomFormat") != "CycloneDX":
        raise ValueError("is no CycloneDX document")
    subject = Subject(label)
    for item in document.get("components", []):
        purl = _PURL.match(item.get("purl", ""))
        if purl:
            subject.packages.add(Package(purl[1], unquote(purl[2]), unquote(purl[3])))
        elif item.get("type") == "library":
            subject.own.append(str(item.get("name")))
    return subject


def read_sbom(path: Path) -> Subject:
    """The packages of a CycloneDX file. Raises OSError, or ValueError if it is none."""
    return from_sbom(path.name.removesuffix(".cdx.json"), json.loads(path.read_text("utf-8")))


def add_requirements(subject: Subject, text: str) -> None:
    """Adds the packages that requirements pin. Unpinned ones are recorded as unknown: only an
    installation resolves them."""
    for line in logical_lines(text):
        pin, name = _PIN.match(line), requirement_name(line)
        if pin and name:
            subject.packages.add(Package(PYPI, name, pin[1]))
        elif line.startswith("./") or "://" in line.split(";")[0]:
            subject.own.append(line.split(" --hash")[0])
        elif not line.startswith("--") or line.startswith(("--req", "--con")):
            subject.unknown.append(f"`{line}` pins no version; what a host has installed is known")


def add_lockfile(subject: Subject, folder: Path) -> None:
    """Adds the packages of a front end's lockfile."""
    components = npm_packages(folder)[0]
    subject.packages.update(Package(NPM, item["name"], item["version"]) for item in components)


def of_index(index: str, subjects: Iterable[Subject]) -> list[Package]:
    """The packages of one index, without duplicates."""
    return sorted(
        {package for item in subjects for package in item.packages if package.index == index}
    )
