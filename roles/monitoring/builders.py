"""Files of Prometheus and Alertmanager. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from groundcrew.bindings import Place
from groundcrew.bindings.address import numeric
from groundcrew.entries import Absent, Directory, Entry, File
from groundcrew.metrics import HOSTS, Metrics, Neighbour, Rule
from groundcrew.roles.monitoring.receivers import Secrets, chats, configs, webhook
from groundcrew.roles.monitoring.selectors import selector
from groundcrew.roles.monitoring.settings import MonitoringSettings
from groundcrew.templates import render

PROMETHEUS = "prometheus.service"
ALERTMANAGER = "prometheus-alertmanager.service"
ALERTMANAGER_MEMORY = 128
"""Largest amount of memory of Alertmanager, in MiB."""
CHAT_UNIT = "groundcrew-chats.service"
CHAT_MEMORY = 64
"""Largest amount of memory of the program that passes messages on to chats, in MiB."""
CHAT_PROGRAM = "/usr/local/lib/groundcrew/chat_bridge.py"
FOLDER = "/etc/groundcrew/monitoring"
ASSETS = "/usr/local/share/groundcrew/dashboards"
"""Directory that Prometheus serves at `/user/`."""
CHATS = f"{FOLDER}/chats.json"
CONFIGURATION = f"{FOLDER}/prometheus.yml"
RULES = f"{FOLDER}/rules.yml"
RECEIVERS = f"{FOLDER}/alertmanager.yml"
HEARTBEAT = "Heartbeat"
HEARTBEAT_SECONDS = 300
EVERYBODY = "everybody"
LIMITS = {"body_size_limit": "10MB", "sample_limit": 20000}
"""Most that one target may answer: whoever takes an exporter's port on a host fills no disk."""


def drop_in(unit: str) -> str:
    """File that changes a packaged unit."""
    return f"/etc/systemd/system/{unit}.d/groundcrew.conf"


def drop_ins(settings: MonitoringSettings) -> list[Entry]:
    """How both are started. It is there before the packages, which would start them at all
    addresses."""
    prometheus = render(
        "monitoring/prometheus.conf.j2", settings=settings, file=CONFIGURATION, assets=ASSETS
    )
    alertmanager = render(
        "monitoring/alertmanager.conf.j2",
        settings=settings,
        file=RECEIVERS,
        memory=ALERTMANAGER_MEMORY,
    )
    return [
        Directory(f"/etc/systemd/system/{PROMETHEUS}.d"),
        File(drop_in(PROMETHEUS), prometheus),
        Directory(f"/etc/systemd/system/{ALERTMANAGER}.d"),
        File(drop_in(ALERTMANAGER), alertmanager),
    ]


def entries(settings: MonitoringSettings, place: Place, secrets: Secrets) -> list[Entry]:
    """What both read. Each file is checked before it replaces the live one."""
    return [
        Directory("/etc/groundcrew"),
        Directory(FOLDER),
        File(RULES, rules(place.hosts, settings.lasting), validate="promtool check rules {}"),
        File(
            CONFIGURATION,
            configuration(settings, place),
            validate="promtool check config {}",
        ),
        File(
            RECEIVERS,
            receivers(settings, secrets),
            mode="0600",
            secret=True,
            validate="amtool check-config {}",
        ),
        *chat_files(settings, secrets),
    ]


def chat_files(settings: MonitoringSettings, secrets: Secrets) -> list[Entry]:
    """The program that passes messages on to chats, and what it reads; none without such chats."""
    paths = (CHAT_PROGRAM, CHATS, f"/etc/systemd/system/{CHAT_UNIT}")
    if not settings.bots:
        return [Absent(path) for path in paths]
    program = Path(__file__).with_name("chat_bridge.py").read_text(encoding="utf-8")
    unit = render(
        "monitoring/chats.service.j2",
        settings=settings,
        file=CHATS,
        program=CHAT_PROGRAM,
        memory=CHAT_MEMORY,
    )
    return [
        Directory("/usr/local/lib/groundcrew"),
        File(CHAT_PROGRAM, program),
        File(CHATS, chats(settings, secrets), mode="0600", secret=True),
        File(paths[2], unit),
    ]


def configuration(settings: MonitoringSettings, place: Place) -> str:
    """Prometheus' configuration: what it measures, and where it sends alerts."""
    return as_yaml(
        {
            "global": {
                "scrape_interval": f"{settings.interval}s",
                "scrape_timeout": f"{min(10, settings.interval)}s",
                "evaluation_interval": f"{settings.interval}s",
            },
            # The pattern may match nothing, as when the file is checked before the rules are there.
            "rule_files": [RULES.replace("rules.yml", "rules*.yml")],
            "alerting": {
                "alertmanagers": [
                    {"static_configs": [{"targets": [f"127.0.0.1:{settings.alerts_port}"]}]}
                ]
            },
            "scrape_configs": jobs(targets(place)),
        }
    )


def targets(place: Place) -> list[tuple[Neighbour, str, Metrics]]:
    """Everything that is measured: the host, the address at which it is read, what it is."""
    return [
        (host, "127.0.0.1" if host.name == place.name else numeric(host.address), item)
        for host in place.hosts
        for item in host.measured().metrics
        if host.name == place.name or not item.loopback
    ]


def jobs(measured: Sequence[tuple[Neighbour, str, Metrics]]) -> list[dict[str, Any]]:
    """Prometheus' jobs, one for each name and path."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for host, address, item in measured:
        parameters = {f"__param_{key}": value for key, value in item.parameters.items()}
        place = f"[{address}]" if ":" in address else address
        groups.setdefault((item.job, item.path), []).append(
            {
                "targets": [f"{place}:{item.port}"],
                "labels": {**item.labels, "instance": host.name, **parameters},
            }
        )
    return [
        {"job_name": job, "metrics_path": path, **LIMITS, "static_configs": configs}
        for (job, path), configs in groups.items()
    ]


def rules(hosts: Iterable[Neighbour], lasting: Mapping[str, int] | None = None) -> str:
    """The alerts, each about the hosts that brought it. `lasting` replaces how long those of a name
    must hold, in seconds."""
    chosen = lasting or {}
    owners: dict[Rule, list[str]] = {}
    for host in hosts:
        for rule in host.measured().rules:
            kept = replace(rule, lasting=chosen.get(rule.name, rule.lasting))
            owners.setdefault(kept, []).append(host.name)
    return as_yaml({"groups": [_group(owners, every) for every in _paces(owners)]})


def _paces(known_rules: Iterable[Rule]) -> list[int]:
    return sorted({0, *(rule.every for rule in known_rules)})


def _group(owners: Mapping[Rule, Sequence[str]], every: int) -> dict[str, Any]:
    """The alerts that are judged equally often."""
    return {
        "name": f"groundcrew every {every} s" if every else "groundcrew",
        **({"interval": f"{every}s"} if every else {}),
        "rules": [_rule(*item) for item in owners.items() if item[0].every == every],
    }


def names(hosts: Iterable[Neighbour]) -> list[str]:
    """Names of the alerts."""
    return sorted({rule.name for host in hosts for rule in host.measured().rules})


def _rule(rule: Rule, hosts: Sequence[str]) -> dict[str, Any]:
    return {
        "alert": rule.name,
        "expr": rule.expression.replace(HOSTS, selector(hosts)),
        "for": f"{rule.lasting}s",
        "labels": {"severity": rule.severity},
        "annotations": {"summary": rule.summary, "action": rule.action},
    }


def receivers(settings: MonitoringSettings, secrets: Secrets) -> str:
    """Alertmanager's configuration, with the secrets in it."""
    receiver_list: list[dict[str, Any]] = [{"name": EVERYBODY, **configs(settings, secrets)}]
    routes = []
    if settings.heartbeat:
        url = secrets["monitoring", "heartbeat"]
        receiver_list.append({"name": HEARTBEAT, "webhook_configs": [webhook(url)]})
        routes.append(
            {
                "receiver": HEARTBEAT,
                "matchers": [f'alertname="{HEARTBEAT}"'],
                "group_wait": "0s",
                "group_interval": f"{HEARTBEAT_SECONDS}s",
                "repeat_interval": f"{HEARTBEAT_SECONDS}s",
            }
        )
    route = {
        "receiver": EVERYBODY,
        "group_by": ["alertname", "instance"],
        "group_wait": f"{settings.group_wait}s",
        "group_interval": f"{settings.group_interval}s",
        "repeat_interval": f"{settings.repeat_interval}s",
        "routes": routes,
    }
    return as_yaml({"route": route, "receivers": receiver_list})


def as_yaml(data: Mapping[str, Any]) -> str:
    """A file of this role."""
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    return f"# Managed by groundcrew; local changes are overwritten.\n{text}"
