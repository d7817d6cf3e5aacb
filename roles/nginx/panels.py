"""What dashboards show of the requests to applications. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from groundcrew.dashboards import APPS, WINDOW, Panel, Query, panel
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.slo import Slo
from groundcrew.metrics import HOSTS
from groundcrew.roles.nginx.traffic_rules import FAST

MONTH = "30d"
QUANTILES = (("0.5", "half of them"), ("0.9", "9 of 10"), ("0.99", "99 of 100"))


def panels(apps: Mapping[str, AppSettings]) -> Iterator[Panel]:
    """Traffic, errors, latency, saturation and the budget of errors."""
    names = tuple(sorted(apps))
    errors = f"100 * {_rate('app', _5XX)} / {_rate('app')} or 0 * {_rate('app')}"
    yield panel("fleet", "Requests", Query(_rate("app"), "{{app}}", names), unit="/s")
    yield panel("fleet", "Requests with errors", Query(errors, "{{app}}", names), unit="%")
    yield panel(
        "fleet",
        "Response time of 99 of 100 requests",
        Query(_quantile("0.99", "app"), "{{app}}", names),
        unit="s",
    )
    yield panel(
        "application", "Requests by class of status", Query(_rate("class"), "{{class}}", names),
        unit="/s", kind="stacked",
    )  # fmt: skip
    yield panel(
        "application", "Requests by host", Query(_rate("app, instance"), _ON, names), unit="/s"
    )
    shares = f"100 * {_rate('app, instance', _5XX)} / {_rate('app, instance')} "
    yield panel(
        "application",
        "Requests with errors by host",
        Query(f"{shares}or 0 * {_rate('app, instance')}", _ON, names),
        unit="%",
        about="Share of the requests that ended with a status of 5xx.",
    )
    yield panel(
        "application",
        "Response time",
        *(Query(_quantile(share, "app"), f"{{{{app}}}}: {text}", names)
          for share, text in QUANTILES),
        unit="s",
        limits=tuple(sorted({app.slo.p99 for app in apps.values()})),
        about="Until the application began to answer; limits are those of slo.p99.",
    )  # fmt: skip
    yield panel(
        "application",
        "Requests in progress",
        Query(
            f"sum by (app, instance) "
            f"(rate(groundcrew_request_seconds_sum{{{APPS},{HOSTS}}}[{WINDOW}]))",
            _ON,
            names,
        ),
        about="On average, at a time: as many workers are busy. Near their number, requests wait.",
    )
    yield from _budgets(apps)


def _budgets(apps: Mapping[str, AppSettings]) -> Iterator[Panel]:
    groups: dict[Slo, list[str]] = {}
    for name, app in sorted(apps.items()):
        groups.setdefault(app.slo, []).append(name)
    left, speed = [], []
    for slo, members in groups.items():
        # A target of 100 % allows nothing: there is no budget.
        allowed = (100 - slo.success) / 100
        if not allowed:
            continue
        names = "|".join(members)
        share = {
            window: f"({_rate('app', _5XX, names, window)} / {_rate('app', '', names, window)} "
            f"or 0 * {_rate('app', '', names, window)})"
            for window in (MONTH, "1h")
        }
        left.append(Query(f"100 - 100 * {share[MONTH]} / {allowed:.6g}", "{{app}}", tuple(members)))
        speed.append(Query(f"{share['1h']} / {allowed:.6g}", "{{app}}", tuple(members)))
    if left:
        yield panel(
            "application", "Budget of errors that is left", *left, unit="%", kind="number",
            about="Of the errors that slo.success allows in 30 days.",
        )  # fmt: skip
        yield panel(
            "application",
            "Errors, as a multiple of what the target allows",
            *speed,
            unit="times",
            limits=tuple(sorted(times for times, *_ in FAST)),
            about="Over an hour. ErrorBudgetBurning fires above the limits, if it lasts.",
        )


_5XX = 'class="5xx",'
_ON = "{{app}} on {{instance}}"


def _rate(by: str, more: str = "", names: str = "", window: str = WINDOW) -> str:
    chosen = f'app=~"{names}",' if names else ""
    series = f"groundcrew_requests_total{{{chosen}{more}{APPS},{HOSTS}}}[{window}]"
    return f"sum by ({by}) (rate({series}))"


def _quantile(share: str, by: str) -> str:
    buckets = f"groundcrew_request_seconds_bucket{{{APPS},{HOSTS}}}[{WINDOW}]"
    return f"histogram_quantile({share}, sum by ({by}, le) (rate({buckets})))"
