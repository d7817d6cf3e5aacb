"""What `on_host.py` reports."""

from __future__ import annotations

from typing import TypedDict


class Target(TypedDict):
    """What Prometheus measures, whether it could do so last time, and why not."""

    job: str
    instance: str
    app: str
    up: bool
    error: str


class Answers(TypedDict):
    """What Prometheus and Alertmanager say: names of the alerts that are watched for, rules that
    fail with the reason, whether Prometheus reaches Alertmanager, and the labels of active
    alerts."""

    targets: list[Target]
    rules: list[str]
    failing: list[str]
    alertmanager: bool
    alerts: list[dict[str, str]]


class Monitoring(Answers):
    """Also the size of the measurements on disk in bytes, and what is wrong with the dashboards."""

    disk: int
    pages: list[str]


class SentTest(TypedDict):
    """Kind of receiver -> messages about a test that were sent, and that failed."""

    sent: dict[str, int]
    failed: dict[str, int]
