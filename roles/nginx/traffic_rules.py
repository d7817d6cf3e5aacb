"""Alerts about what visitors get of an application. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.slo import Slo
from groundcrew.metrics import HOSTS, Rule

MINUTE, HOUR, DAY = 60, 3600, 86400
APP = "{{ $labels.app }} on {{ $labels.instance }}"
VALUE = '{{ $value | printf "%.1f" }}'
LOOK = "playbooks/logs.py --data app=NAME shows why; NAME.access.log of nginx shows the requests."
FAST = ((14.4, HOUR, 5 * MINUTE), (6, 6 * HOUR, 30 * MINUTE))
SLOW = ((1, 3 * DAY, 6 * HOUR),)
"""How many times faster than the target allows errors come, over two windows: the longer one shows
that it matters, the shorter one that it goes on.
Source: <https://sre.google/workbook/alerting-on-slos/>."""


def rules(apps: Mapping[str, AppSettings]) -> Iterator[Rule]:
    """The alerts, once for all applications with the same targets."""
    groups: dict[Slo, list[str]] = {}
    for name, app in sorted(apps.items()):
        groups.setdefault(app.slo, []).append(name)
    for slo, names in groups.items():
        yield from _rules(slo, "|".join(names))


def _rules(slo: Slo, names: str) -> Iterator[Rule]:
    enough = f"{_rate(names, slo.window)} >= {slo.least:g}"
    share = f"100 * {_failed(names, slo.window)} / {_rate(names, slo.window)}"
    yield Rule(
        "ApplicationErrors",
        f"({share} > {slo.errors:g} and {enough}) {_off()}",
        MINUTE if slo.window >= 5 * MINUTE else 0,
        "critical",
        f"{APP} answers {VALUE} % of the requests with an error",
        LOOK,
    )
    buckets = f'groundcrew_request_seconds_bucket{{app=~"{names}",{HOSTS}}}[{slo.window}s]'
    yield Rule(
        "ApplicationLatency",
        f"(histogram_quantile(0.99, sum by (instance, app, le) (rate({buckets}))) "
        f"> {slo.p99:g} and {enough}) {_off()}",
        MINUTE if slo.window >= 5 * MINUTE else 0,
        "warning",
        f"{APP} takes more than {VALUE} s for one request in a hundred",
        "playbooks/status.py shows how busy the host is; uht= in the access log, slow requests.",
    )
    yield Rule(
        "ErrorBudgetBurning",
        _burning(slo, names, FAST),
        2 * MINUTE,
        "critical",
        f"{APP} fails {VALUE} % of its requests: its budget of errors for a month is used up "
        "within days",
        LOOK,
        MINUTE,
    )
    yield Rule(
        "ErrorBudgetSpent",
        _burning(slo, names, SLOW),
        HOUR,
        "warning",
        f"{APP} has failed {VALUE} % of its requests for days, more than its target of "
        f"{slo.success:g} % allows",
        LOOK,
        5 * MINUTE,
    )


def _burning(slo: Slo, names: str, limits: Iterable[tuple[float, int, int]]) -> str:
    """Whether errors come faster than the target allows."""
    conditions = []
    for times, *windows in limits:
        limit = f"{times * (100 - slo.success):.6g}"
        parts = [
            f"100 * {_failed(names, window)} / {_rate(names, window)} > {limit}"
            for window in windows
        ]
        conditions.append(" and ".join((*parts, f"{_rate(names, windows[0])} >= {slo.least:g}")))
    return f"({' or '.join(f'({item})' for item in conditions)}) {_off()}"


def _rate(names: str, window: int, more: str = "") -> str:
    series = f'groundcrew_requests_total{{app=~"{names}",{more}{HOSTS}}}[{window}s]'
    return f"sum by (instance, app) (rate({series}))"


def _failed(names: str, window: int) -> str:
    return _rate(names, window, 'class="5xx",')


def _off() -> str:
    return f"unless on (instance, app) groundcrew_maintenance{{{HOSTS}}} == 1"
