"""What verify and status say about monitoring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from groundcrew.bindings import Place
from groundcrew.columns import size
from groundcrew.results.result import Check, judge, warn
from groundcrew.roles.monitoring import builders
from groundcrew.roles.monitoring.report import Monitoring
from groundcrew.roles.monitoring.settings import MonitoringSettings
from groundcrew.verify.seen import Seen


def monitoring(settings: MonitoringSettings, place: Place, seen: Seen) -> Iterator[Check]:
    """Everything is measured, all alerts are known, and somebody is told."""
    report: Monitoring = seen.section("monitoring")
    yield _targets(report, place)
    yield _rules(report, place)
    problems = [] if report["alertmanager"] else ["Prometheus does not reach it"]
    names = ", ".join(sorted(settings.used))
    yield judge("monitoring: Alertmanager", problems, f"tells {names or 'nobody'}")
    shown = "their site asks for a login" if settings.dashboards else "there through a tunnel"
    yield judge("monitoring: dashboards", report["pages"], shown)
    if not settings.used:
        yield warn("monitoring: receivers", "alerts have no receiver: set monitoring.receivers")


def _targets(report: Monitoring, place: Place) -> Check:
    wanted = Counter(
        (item.job, host.name, item.labels.get("app", ""))
        for host, _, item in builders.targets(place)
    )
    targets = Counter((item["job"], item["instance"], item["app"]) for item in report["targets"])
    problems = [f"{named(*key)} is not measured" for key in sorted(wanted - targets)]
    problems += [
        f"{named(item['job'], item['instance'], item['app'])}: {item['error'] or 'not read yet'}"
        for item in report["targets"]
        if not item["up"]
    ]
    return judge("monitoring: targets", problems, f"{len(report['targets'])} are up")


def named(job: str, instance: str, app: str) -> str:
    """What is measured, for people."""
    return f"{f'{app} ' if app else ''}{job} of {instance}"


def _rules(report: Monitoring, place: Place) -> Check:
    rules = set(report["rules"])
    problems = [f"no alert {name}" for name in builders.names(place.hosts) if name not in rules]
    problems += report["failing"]
    return judge("monitoring: alerts", problems, f"{len(report['rules'])} are watched for")


def status(report: Monitoring) -> Iterable[str]:
    """Lines of `playbooks/status.py`."""
    targets = report["targets"]
    up = sum(item["up"] for item in targets)
    yield f"monitoring: {up} of {len(targets)} targets up, {size(report['disk'])} on disk"
    for item in report["alerts"]:
        yield (
            f"alert: {item['alertname']} ({item['severity']}) "
            f"{item['app']} {item['instance']}".replace("  ", " ").rstrip()
        )
