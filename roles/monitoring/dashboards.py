"""The dashboards: what their pages show, and the files. Pure.

Prometheus itself serves the directory at `/user/`, beside the data that the pages ask it for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from groundcrew.dashboards import Board, Panel, Query, in_order
from groundcrew.entries import Directory, Entry, File, Link
from groundcrew.manifest.tls import Tls
from groundcrew.metrics import Neighbour
from groundcrew.roles.monitoring.builders import ASSETS
from groundcrew.roles.monitoring.selectors import selector
from groundcrew.roles.monitoring.settings import MonitoringSettings
from groundcrew.sites import Site
from groundcrew.templates import TEMPLATES

CHARTS = "/usr/share/javascript/chart.js/chart.min.js"
"""What draws the lines: Chart.js, of the package."""
PACKAGE = "libjs-chart.js"
PAGES = ("index.html", "dashboards.css", "dashboards.js", "lines.js", "words.js")
TITLES: dict[Board, str] = {
    "fleet": "Fleet",
    "host": "Host",
    "application": "Application",
    "databases": "Databases",
    "backups": "Backups",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SITE = "monitoring.dashboards"


@dataclass
class Part:
    """A panel of all hosts that brought it: its queries, each with the hosts that it is about."""

    panel: Panel
    queries: dict[Query, list[str]] = field(default_factory=dict)


def parts(hosts: Iterable[Neighbour]) -> dict[Board, list[Part]]:
    """What each page shows, by page. Pages without panels are left out."""
    merged: dict[tuple[Board, str], Part] = {}
    for host in hosts:
        for panel in host.measured().panels:
            part = merged.setdefault((panel.board, panel.title), Part(panel))
            for query in panel.queries:
                part.queries.setdefault(query, []).append(host.name)
    order = in_order([part.panel for part in merged.values()])
    return {
        board: [merged[board, panel.title] for panel in order if panel.board == board]
        for board in get_args(Board)
        if any(panel.board == board for panel in order)
    }


def hosts_of(board: Sequence[Part]) -> list[str]:
    """Hosts that a page is about."""
    return sorted({host for part in board for names in part.queries.values() for host in names})


def apps_of(board: Sequence[Part]) -> list[str]:
    """Applications that a page is about."""
    return sorted({app for part in board for query in part.queries for app in query.apps})


def content(settings: MonitoringSettings, hosts: Iterable[Neighbour]) -> str:
    """What the pages show, as JSON."""
    boards = parts(hosts)
    names = sorted({name for board in boards.values() for name in hosts_of(board)})
    apps = sorted({name for board in boards.values() for name in apps_of(board)})
    data = {
        "interval": settings.interval,
        "selectors": {
            "hosts": {name: selector([name]) for name in names},
            "apps": {name: selector([name], "app") for name in apps},
        },
        "boards": [
            {
                "name": board,
                "title": TITLES[board],
                "hosts": hosts_of(members),
                # The fleet is about all of them.
                "apps": apps_of(members) if board == "application" else [],
                "panels": [_panel(part) for part in members],
            }
            for board, members in boards.items()
        ],
    }
    return json.dumps(data, indent=1) + "\n"


def _panel(part: Part) -> dict[str, Any]:
    panel = part.panel
    return {
        "title": panel.title,
        "about": panel.about,
        "unit": panel.unit,
        "kind": panel.kind,
        "limits": list(panel.limits),
        "most": panel.most,
        "queries": [
            {
                "expression": query.expression,
                "legend": query.legend,
                "hosts": sorted(hosts),
                "all": selector(hosts),
                "apps": list(query.apps),
            }
            for query, hosts in part.queries.items()
        ],
    }


def entries(settings: MonitoringSettings, hosts: Iterable[Neighbour]) -> list[Entry]:
    """The pages."""
    folder = TEMPLATES / "monitoring" / "dashboards"
    return [
        Directory("/usr/local/share/groundcrew"),
        Directory(ASSETS),
        *(File(f"{ASSETS}/{name}", _text(folder / name)) for name in PAGES),
        File(f"{ASSETS}/panels.json", content(settings, hosts)),
        Link(f"{ASSETS}/chart.js", CHARTS),
    ]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def site(settings: MonitoringSettings) -> Site | None:
    """The site with the pages; None unless it is set. Prometheus answers two kinds of questions
    there, and nothing else of it can be reached."""
    if settings.dashboards is None:
        return None
    server = f"http://127.0.0.1:{settings.port}"
    key = ("monitoring", "dashboards")
    return Site(
        name=SITE,
        key=key,
        domains=settings.dashboards.domains,
        tls=Tls(certificate=settings.dashboards.certificate, port=settings.dashboards.port),
        users={user: (*key, "users", user) for user in settings.dashboards.users},
        passed={
            "/api/v1/query": f"{server}/api/v1/query",
            "/api/v1/query_range": f"{server}/api/v1/query_range",
            "/": f"{server}/user/",
        },
        headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"},
    )
