"""The metric that says that an application's maintenance is on: alerts about it do not fire.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

FOLDER = "/var/lib/groundcrew/metrics"
"""Directory of metrics in files. Only root writes there."""


def metric_path(app: str) -> str:
    """File with the metric, which exists while maintenance is on."""
    return f"{FOLDER}/maintenance-{app}.prom"


def metric_text(app: str) -> str:
    """The metric, in Prometheus' text format."""
    return f'groundcrew_maintenance{{app="{app}"}} 1\n'
