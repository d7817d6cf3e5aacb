"""What a host's settings promise, in the terms that the checks need."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from groundcrew.apps.model import AppSettings
from groundcrew.apps.rules import rules_for
from groundcrew.headers import merge


@dataclass(frozen=True)
class Gzip:
    """Which responses are compressed."""

    min_length: int
    types: Collection[str]


@dataclass(frozen=True)
class Root:
    """Whom to trust for a certificate."""

    known: bool = True
    """False: its root is not known here, and so is not judged."""

    pem: str | None = None
    """The root; None: those that this machine trusts."""


@dataclass(frozen=True)
class Expected:
    """Promises of a host, from the settings of all its roles."""

    apps: Mapping[str, AppSettings]
    """Applications by name."""

    security_headers: Mapping[str, Mapping[str, str]]
    """Application -> the headers that each of its responses carries."""

    yielding: Mapping[str, Collection[str]]
    """Application -> those of them that it may have its own values for."""

    owners: Mapping[str, str]
    """Application -> the one whose headers come on requests that nginx refuses before it knows
    their path: itself, unless it shares its domains with others."""

    gzip: Gzip | None
    """None: nothing is compressed."""

    status_port: int
    """Port on 127.0.0.1 of nginx's counters."""

    admins: Sequence[str]
    """Users that may use sudo."""

    sshd: Mapping[str, str]
    """sshd's keywords in lower case -> value, as `sshd -T` prints them."""

    declared_ports: Collection[int]
    """TCP ports on which programs may listen on public addresses, SSH's own excepted."""

    firewall: bool
    """Whether a packet filter hides everything else."""

    time_sync: bool
    """Whether the clock is synchronised."""

    unattended_upgrades: bool
    """Whether security updates are installed daily."""

    own_units: Collection[str] = ()
    """Units of the host's own that groundcrew has written, besides nginx's."""

    apparmor: bool = True
    """Whether AppArmor's profiles are loaded, where the kernel has it."""

    nameless: Collection[str] = ()
    """Applications whose front page is answered under any name, for a load balancer's check."""

    proxy_protocol: bool = False
    """Whether connections from elsewhere begin with the PROXY protocol."""

    roots: Mapping[str, Root] = field(default_factory=dict)
    """Application with HTTPS -> whom to trust for its certificate."""


def instance_names(app: str, count: int) -> list[str]:
    """What the checks call the instances of an application."""
    return [app] if count == 1 else [f"{app} {number}" for number in range(1, count + 1)]


def headers_on(expected: Expected, name: str, path: str) -> dict[str, str]:
    """The headers that an application's answers on a path carry, by all rules for it."""
    rules = rules_for(path, expected.apps[name].nginx.locations).values
    return merge(expected.security_headers[name], rules.headers)


def own_headers(expected: Expected, name: str, path: str) -> set[str]:
    """The headers that an application may have its own values for on a path."""
    rules = rules_for(path, expected.apps[name].nginx.locations).values
    ruled = {header.lower() for header in rules.headers}
    return {header for header in expected.yielding[name] if header.lower() not in ruled}


def restricted(app: AppSettings, path: str) -> bool:
    """Whether a path is not for everybody, so that the operator's machine may be refused."""
    rules = rules_for(path, app.nginx.locations).values
    guarded = (rules.allow, rules.basic_auth, rules.auth_request)
    return rules.deny or any(rule is not None for rule in guarded)


def host_header(app: AppSettings) -> str:
    """A name that the application answers to."""
    if not app.domains:
        return "localhost"
    return concrete(app.domains[0])


def concrete(domain: str) -> str:
    """A name that a domain stands for."""
    return f"verify{domain[1:]}" if domain.startswith("*.") else domain
