"""Grafana with the same panels: what it reads at its start. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from groundcrew.dashboards import APPS, STEP, WINDOW, Board, Panel, Query
from groundcrew.entries import Absent, Directory, Entry, File
from groundcrew.metrics import HOSTS, Neighbour
from groundcrew.roles.monitoring.builders import as_yaml, drop_in
from groundcrew.roles.monitoring.dashboards import TITLES, Part, apps_of, hosts_of, parts
from groundcrew.roles.monitoring.selectors import selector
from groundcrew.roles.monitoring.settings import MonitoringSettings
from groundcrew.templates import render

UNIT = "grafana-server.service"
MEMORY = 256
"""Largest amount of memory, in MiB."""
SOURCE = "groundcrew"
PROVISIONING = "/etc/grafana/provisioning"
BOARDS = "/etc/grafana/groundcrew"
SOURCES = f"{PROVISIONING}/datasources/groundcrew.yaml"
PROVIDER = f"{PROVISIONING}/dashboards/groundcrew.yaml"
SCHEMA = 39
"""Version of the dashboards' format: that of Grafana 11, which newer ones read too."""
COLUMNS = 24
MARKS = "60s"
UNITS = {"%": "percent", "bytes": "bytes", "bytes/s": "Bps", "s": "s", "/s": "reqps"}


def started(settings: MonitoringSettings) -> list[Entry]:
    """How it is started. It is there before the package, which would start it at all addresses,
    with a password that everybody knows."""
    text = render("monitoring/grafana.conf.j2", settings=settings, memory=MEMORY)
    return [Directory(f"/etc/systemd/system/{UNIT}.d"), File(drop_in(UNIT), text)]


def entries(settings: MonitoringSettings, hosts: Iterable[Neighbour]) -> list[Entry]:
    """The source of the data, and the dashboards. None without Grafana."""
    if not settings.grafana:
        return [Absent(path) for path in (SOURCES, PROVIDER, BOARDS)]
    boards = parts(hosts)
    return [
        *(
            Directory(path)
            for path in (
                "/etc/grafana",
                PROVISIONING,
                f"{PROVISIONING}/datasources",
                f"{PROVISIONING}/dashboards",
                BOARDS,
            )
        ),
        File(SOURCES, sources(settings)),
        File(PROVIDER, provider()),
        *(
            File(
                f"{BOARDS}/{board}.json",
                json.dumps(dashboard(settings, board, boards[board]), indent=1) + "\n",
            )
            if board in boards
            else Absent(f"{BOARDS}/{board}.json")
            for board in TITLES
        ),
    ]


def sources(settings: MonitoringSettings) -> str:
    """Where the values come from."""
    return as_yaml(
        {
            "apiVersion": 1,
            "datasources": [
                {
                    "name": "Prometheus",
                    "uid": SOURCE,
                    "type": "prometheus",
                    "access": "proxy",
                    "url": f"http://127.0.0.1:{settings.port}",
                    "isDefault": True,
                    "editable": False,
                    "jsonData": {"timeInterval": f"{settings.interval}s", "httpMethod": "POST"},
                }
            ],
        }
    )


def provider() -> str:
    """Where the dashboards are."""
    return as_yaml(
        {
            "apiVersion": 1,
            "providers": [
                {
                    "name": "groundcrew",
                    "folder": "groundcrew",
                    "type": "file",
                    "allowUiUpdates": False,
                    "options": {"path": BOARDS},
                }
            ],
        }
    )


def dashboard(
    settings: MonitoringSettings, board: Board, members: Sequence[Part]
) -> dict[str, Any]:
    """One page."""
    hosts, apps = hosts_of(members), apps_of(members) if board == "application" else []
    shown = [part for part in members if part.panel.kind != "marks"]
    marks = [part for part in members if part.panel.kind == "marks"]
    grid = _grid([part.panel for part in shown])
    return {
        "uid": f"groundcrew-{board}",
        "title": TITLES[board],
        "tags": ["groundcrew"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "timezone": "browser",
        "refresh": f"{max(30, settings.interval)}s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                _variable("host", "Host", hosts),
                *([_variable("app", "Application", apps)] if apps else []),
            ]
        },
        "annotations": {"list": [_marks(part, bool(apps)) for part in marks]},
        "panels": [
            _panel(number, part, place, bool(apps))
            for number, (part, place) in enumerate(zip(shown, grid, strict=True), 1)
        ],
    }


def _grid(panels: Sequence[Panel]) -> list[dict[str, int]]:
    """Places: from left to right, in rows of their own for figures and for lines."""
    places, left, top, tall = [], 0, 0, 0
    for panel in panels:
        wide, high = (6, 4) if panel.kind in {"number", "table"} else (12, 8)
        if left + wide > COLUMNS or (left and high != tall):
            left, top = 0, top + tall
        places.append({"x": left, "y": top, "w": wide, "h": high})
        left, tall = left + wide, high
    return places


def _variable(name: str, label: str, values: Sequence[str]) -> dict[str, Any]:
    """A choice. Grafana itself escapes what is chosen, as several can be."""
    chosen = {"text": ["All"], "value": ["$__all"], "selected": True}
    return {
        "name": name,
        "label": label,
        "type": "custom",
        # A comma ends a value, unless it is escaped.
        "query": ",".join(value.replace(",", "\\,") for value in values),
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": chosen,
        "options": [],
        "hide": 0,
        "skipUrlSync": False,
    }


def _expression(query: Query, hosts: Sequence[str], of_apps: bool) -> str:
    values = {
        HOSTS: f'{selector(hosts)},instance=~"$host"',
        APPS: 'app=~"$app"' if of_apps else 'app=~".+"',
        WINDOW: "$__rate_interval",
        STEP: "$__interval",
    }
    text = query.expression
    for key, value in values.items():
        text = text.replace(key, value)
    return text


def _targets(part: Part, of_apps: bool) -> list[dict[str, Any]]:
    over = part.panel.kind in {"lines", "stacked"}
    return [
        {
            "refId": _letters(number),
            "datasource": {"type": "prometheus", "uid": SOURCE},
            "editorMode": "code",
            "expr": _expression(query, hosts, of_apps),
            "legendFormat": query.legend,
            "range": over,
            "instant": not over,
            **({"format": "table"} if part.panel.kind == "table" else {}),
        }
        for number, (query, hosts) in enumerate(part.queries.items())
    ]


def _letters(number: int) -> str:
    """A, B, ..., Z, AA, ..."""
    rest, letter = divmod(number, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("A") + letter)


def _marks(part: Part, of_apps: bool) -> dict[str, Any]:
    """Moments, as a query of annotations. It is asked for in steps of a minute."""
    expressions = [_expression(query, hosts, of_apps) for query, hosts in part.queries.items()]
    legend = next(iter(part.queries)).legend
    return {
        "name": part.panel.title,
        "datasource": {"type": "prometheus", "uid": SOURCE},
        "enable": True,
        "iconColor": "blue",
        "target": {
            "refId": "Anno",
            "expr": " or ".join(expressions).replace("$__interval", MARKS),
            "interval": MARKS,
        },
        "titleFormat": legend,
    }


def _panel(number: int, part: Part, place: dict[str, int], of_apps: bool) -> dict[str, Any]:
    panel = part.panel
    kind = {"number": "stat", "table": "table"}.get(panel.kind, "timeseries")
    defaults: dict[str, Any] = {"unit": UNITS.get(panel.unit, "short")}
    if panel.most is not None:
        defaults |= {"min": 0, "max": panel.most}
    if panel.limits:
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        steps += [{"color": "red", "value": limit} for limit in panel.limits]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    if kind == "timeseries":
        defaults["custom"] = {
            "fillOpacity": 40 if panel.kind == "stacked" else 0,
            "stacking": {"mode": "normal" if panel.kind == "stacked" else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if panel.limits else "off"},
            "showPoints": "never",
        }
    return {
        "id": number,
        "type": kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": {"type": "prometheus", "uid": SOURCE},
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {},
        "targets": _targets(part, of_apps),
    }
