"""What monitoring measures on a host, what it warns of and what it shows: roles bring all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from groundcrew.dashboards import Panel

HOSTS = "$hosts"
"""Stands in the expression of a rule for the hosts that it is about."""

HOST = "host"
"""The job that measures the host itself: `up{job="host"}` is 1 while it can be measured."""


@dataclass(frozen=True)
class Metrics:
    """Metrics that a program on the host serves over HTTP. The program listens on loopback and, if
    another host monitors this one, at this host's address."""

    job: str
    """What is measured: the label `job`."""

    port: int
    path: str = "/metrics"
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of all these metrics, besides `job` and `instance`, which is the host's name."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the request."""

    loopback: bool = False
    """Whether the program listens on loopback only, on a host that monitors itself."""


@dataclass(frozen=True)
class Probe:
    """A URL of the host that must answer. It is requested on the host itself."""

    name: str
    """The label `app`."""

    url: str
    """Its host is a loopback address."""

    host: str
    """Host name in the request, and in the TLS handshake."""

    status: int = 200
    scheme: Literal["http", "https"] = "http"
    """Scheme that visitors use."""


@dataclass(frozen=True)
class Rule:
    """An alert."""

    name: str
    expression: str
    """In Prometheus' query language. Every selector contains `$hosts`, the hosts that brought the
    rule. Each time series of the result is an alert."""

    lasting: int
    """Seconds for which it must hold before the alert fires."""

    severity: Literal["critical", "warning"]
    summary: str
    """One line for people, in which `{{ $labels.instance }}` is the host."""

    action: str
    """What to do."""

    every: int = 0
    """Seconds between two judgements; 0: after each measurement. Long windows take time."""


@dataclass(frozen=True)
class Measured:
    """What roles bring to a host for monitoring."""

    metrics: tuple[Metrics, ...] = ()
    rules: tuple[Rule, ...] = ()
    panels: tuple[Panel, ...] = ()


def nothing() -> Measured:
    """Nothing is measured."""
    return Measured()


@dataclass(frozen=True)
class Neighbour:
    """A host of the inventory, as the others know it."""

    name: str
    address: str
    """Address or name at which the others reach it."""

    groups: frozenset[str] = frozenset()
    measured: Callable[[], Measured] = field(default=nothing, repr=False, compare=False)
    """Returns what its roles bring for monitoring, which follows from no other host's."""


def in_group(hosts: Iterable[Neighbour], group: str) -> list[Neighbour]:
    """The hosts of a group."""
    return [item for item in hosts if group in item.groups]
