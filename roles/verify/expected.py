"""The promises of a host's settings about its applications, in the form that the checks need."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from groundcrew.balancing import Entrance
from groundcrew.headers import merge
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.rules import rules_for


@dataclass(frozen=True)
class Gzip:
    """The responses that are compressed."""

    min_length: int
    types: Collection[str]


@dataclass(frozen=True)
class Root:
    """The trust anchor of a certificate."""

    known: bool = True
    """False if the root is unknown, so that trust is not checked."""

    pem: str | None = None
    """The root certificate; None: the trust store of the operator's machine."""


@dataclass(frozen=True)
class Expected:
    """Promises of a host with applications."""

    apps: Mapping[str, AppSettings]
    """Applications by name."""

    security_headers: Mapping[str, Mapping[str, str]]
    """Application -> the headers that each of its responses has."""

    yielding: Mapping[str, Collection[str]]
    """Application -> the names of those that it may set itself."""

    owners: Mapping[str, str]
    """Application -> the application whose headers nginx adds to requests it refuses before it
    knows their path: the owner of the server block."""

    gzip: Gzip | None
    """Compression of responses; None: off."""

    nameless: Collection[str] = ()
    """Applications whose front page is served under any host name, for a load balancer's check."""

    proxy_protocol: bool = False
    """Whether connections from other machines start with the PROXY protocol."""

    stopped: Mapping[str, str] = field(default_factory=dict)
    """Applications that an operator has stopped, and are in nothing else here -> since when, and by
    whom."""

    inside: Mapping[str, AppSettings] = field(default_factory=dict)
    """Applications by name as the host itself serves them, if that is not how visitors see them."""

    entrance: Entrance | None = None
    """Balancer through which visitors reach the applications in `inside`."""

    roots: Mapping[str, Root] = field(default_factory=dict)
    """Application with HTTPS -> the trust anchor of its certificate."""


def instance_names(app: str, count: int) -> list[str]:
    """The names of an application's instances in results."""
    return [app] if count == 1 else [f"{app} {number}" for number in range(1, count + 1)]


def headers_on(expected: Expected, name: str, path: str) -> dict[str, str]:
    """The headers of an application's responses on a path, according to all rules for it."""
    rules = rules_for(path, expected.apps[name].nginx.locations).values
    return merge(expected.security_headers[name], rules.headers)


def own_headers(expected: Expected, name: str, path: str) -> set[str]:
    """The names of the headers that an application may set itself on a path."""
    rules = rules_for(path, expected.apps[name].nginx.locations).values
    ruled = {header.lower() for header in rules.headers}
    return {header for header in expected.yielding[name] if header.lower() not in ruled}


def restricted(app: AppSettings, path: str) -> bool:
    """Whether access to a path is restricted, so that the operator's machine may be refused."""
    rules = rules_for(path, app.nginx.locations).values
    guarded = (rules.allow, rules.basic_auth, rules.auth_request)
    return rules.deny or any(rule is not None for rule in guarded)


def host_header(app: AppSettings) -> str:
    """A host name that the application answers to."""
    if not app.domains:
        return "localhost"
    return concrete(app.domains[0])


def concrete(domain: str) -> str:
    """A host name that matches a domain, which may be a wildcard."""
    return f"verify{domain[1:]}" if domain.startswith("*.") else domain
