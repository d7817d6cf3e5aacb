"""Monitoring: the files of Prometheus and Alertmanager, and what verify and status say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from groundcrew.bindings import Place
from groundcrew.entries import File
from groundcrew.metrics import Measured, Metrics, Neighbour, Rule
from groundcrew.results.result import Status
from groundcrew.roles import combined
from groundcrew.roles.firewall.builders import ruleset
from groundcrew.roles.monitoring import builders, on_host
from groundcrew.roles.monitoring.checks import monitoring, status
from groundcrew.roles.monitoring.operations import told
from groundcrew.roles.monitoring.report import Monitoring, Target
from groundcrew.roles.monitoring.settings import MonitoringSettings
from groundcrew.verify.seen import Seen, View
from tests.unit.project import Project

RULE = Rule("Slow", "slow{$hosts} > 1 and on (instance) up{$hosts}", 60, "warning", "it is", "look")

ADDRESSES = {"mon1": "10.0.0.1", "mon2": "fd00::2", "web1": "10.0.0.3"}


def neighbour(name: str, *metrics: Metrics, rules: tuple[Rule, ...] = ()) -> Neighbour:
    return Neighbour(name, ADDRESSES.get(name, ""), measured=lambda: Measured(metrics, rules))


PLACE = Place(
    name="mon1",
    hosts=(
        neighbour("mon1", Metrics("host", 9100), Metrics("prometheus", 9090, loopback=True)),
        neighbour("mon2", Metrics("host", 9100), Metrics("prometheus", 9090, loopback=True)),
        neighbour(
            "web1",
            Metrics("host", 9100),
            Metrics("applications", 9115, "/probe", {"app": "shop"}, {"module": "plain"}),
            rules=(RULE,),
        ),
    ),
)


def settings(**values: Any) -> MonitoringSettings:
    return MonitoringSettings.model_validate(values)


def test_targets_are_what_roles_bring_to_the_hosts() -> None:
    told = yaml.safe_load(builders.configuration(settings(interval=5), PLACE))
    jobs = {item["job_name"]: item for item in told["scrape_configs"]}
    hosts = [(item["targets"], item["labels"]) for item in jobs["host"]["static_configs"]]
    assert hosts == [
        (["127.0.0.1:9100"], {"instance": "mon1"}),
        (["[fd00::2]:9100"], {"instance": "mon2"}),
        (["10.0.0.3:9100"], {"instance": "web1"}),
    ]
    # Another host's loopback is out of reach.
    [own] = jobs["prometheus"]["static_configs"]
    assert own["labels"] == {"instance": "mon1"}
    [probe] = jobs["applications"]["static_configs"]
    assert jobs["applications"]["metrics_path"] == "/probe"
    assert probe["labels"] == {"app": "shop", "instance": "web1", "__param_module": "plain"}
    assert told["global"]["scrape_timeout"] == "5s"
    # No target fills the disk.
    assert all(job["sample_limit"] and job["body_size_limit"] for job in jobs.values())


def test_rules_are_about_the_hosts_that_brought_them() -> None:
    other = Rule(**{**RULE.__dict__, "expression": "slow{$hosts} > 2"})
    hosts = [
        neighbour("web1.example.com", rules=(RULE,)),
        neighbour("web2.example.com", rules=(RULE,)),
        neighbour("db1", rules=(other,)),
    ]
    [group] = yaml.safe_load(builders.rules(hosts))["groups"]
    both = r'instance=~"web1\\.example\\.com|web2\\.example\\.com"'
    assert [rule["expr"] for rule in group["rules"]] == [
        f"slow{{{both}}} > 1 and on (instance) up{{{both}}}",
        'slow{instance=~"db1"} > 2',
    ]
    assert group["rules"][0]["for"] == "60s"


def test_how_long_an_alert_must_hold_is_a_setting() -> None:
    [group] = yaml.safe_load(builders.rules([neighbour("web1", rules=(RULE,))], {"Slow": 5}))[
        "groups"
    ]
    assert group["rules"][0]["for"] == "5s"


def test_an_alert_that_no_host_has_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.app()
    project.hosts = {
        "web1": (["web"], {"address": "10.0.0.1"}),
        "mon1": (["monitoring"], {"address": "10.0.0.2"}),
    }
    project.groups["monitoring"] = {"monitoring": {"lasting": {"UnitFailed": 600}}}
    assert project.settings("mon1").monitoring.lasting == {"UnitFailed": 600}
    project.groups["monitoring"] = {"monitoring": {"lasting": {"UnitFaild": 600}}}
    _, key, message = project.error()
    assert key == "monitoring.lasting.UnitFaild"
    assert "did you mean UnitFailed?" in message


def test_metrics_are_backed_up_if_the_host_is(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.app()
    project.hosts = {
        "web1": (["web"], {"address": "10.0.0.1"}),
        "mon1": (["monitoring"], {"address": "10.0.0.2"}),
    }
    project.groups["monitoring"] = {"monitoring": {"backup": True}}
    assert "monitoring.backup" in {key for _, key, _ in project.errors()}
    project.all["backup"] = {"targets": {"one": {"type": "directory", "path": "/mnt"}}}
    with_backup = project.settings("mon1")
    [source] = with_backup.brought.backups
    assert (source.title, source.apps) == ("monitoring", ("monitoring",))
    [started] = [
        item
        for item in builders.drop_ins(with_backup.monitoring)
        if isinstance(item, File) and item.path == builders.drop_in(builders.PROMETHEUS)
    ]
    assert b" \\\n    --web.enable-admin-api\n" in started.data


RECEIVERS = {
    "chat": {"type": "webhook", "url": {"env": "CHAT"}},
    "people": {
        "type": "email",
        "to": ["a@example.com", "b@example.com"],
        "sender": "monitoring@example.com",
        "smarthost": "mail.example.com:587",
        "user": "monitoring",
        "password": {"env": "MAIL"},
    },
    "gone": None,
}


def test_everybody_is_told_and_the_heartbeat_goes_elsewhere() -> None:
    mine = settings(receivers=RECEIVERS, heartbeat={"env": "HEARTBEAT"})
    keys = [path for path, _ in mine.secrets()]
    assert keys == [
        ("heartbeat",),
        ("receivers", "chat", "url"),
        ("receivers", "people", "password"),
    ]
    secrets = {("monitoring", *path): f"https://{path[-1]}.example.com" for path in keys}
    told = yaml.safe_load(builders.receivers(mine, secrets))
    everybody, heartbeat = told["receivers"]
    assert told["route"]["receiver"] == everybody["name"]
    assert everybody["webhook_configs"] == [
        {"url": "https://url.example.com", "send_resolved": True}
    ]
    assert [item["to"] for item in everybody["email_configs"]] == ["a@example.com", "b@example.com"]
    assert everybody["email_configs"][0]["auth_password"] == "https://password.example.com"
    assert everybody["email_configs"][0]["require_tls"] is True
    assert heartbeat["webhook_configs"][0]["url"] == "https://heartbeat.example.com"
    [route] = told["route"]["routes"]
    assert (route["receiver"], route["matchers"]) == (heartbeat["name"], ['alertname="Heartbeat"'])


def test_secrets_are_in_a_file_of_root_that_is_checked() -> None:
    place = Place(name="mon1", hosts=PLACE.hosts)
    secrets: dict[tuple[str, ...], str] = {
        ("monitoring", "receivers", "chat", "url"): "https://chat.example.com/key"
    }
    mine = settings(receivers={"chat": RECEIVERS["chat"]})
    files = {item.path: item for item in builders.entries(mine, place, secrets)
             if isinstance(item, File)}  # fmt: skip
    with_secret = [item for item in files.values() if b"chat.example.com" in item.data]
    assert [(item.path, item.mode, item.secret) for item in with_secret] == [
        (builders.RECEIVERS, "0600", True)
    ]
    assert all(item.validate for item in files.values())


def test_it_listens_on_loopback_and_is_bounded() -> None:
    files = {
        item.path: item.data.decode()
        for item in builders.drop_ins(settings(retention="7d", size="1GB"))
        if isinstance(item, File)
    }
    prometheus = files[builders.drop_in(builders.PROMETHEUS)]
    assert "--web.listen-address=127.0.0.1:9090" in prometheus
    assert "--storage.tsdb.retention.time=7d" in prometheus
    assert "--storage.tsdb.retention.size=1GB" in prometheus
    alertmanager = files[builders.drop_in(builders.ALERTMANAGER)]
    assert "--web.listen-address=127.0.0.1:9093" in alertmanager
    assert "--cluster.listen-address= " in alertmanager


def test_other_users_of_the_host_are_kept_away(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.hosts = {"mon1": (["monitoring"], {"address": "10.0.0.9"})}
    project.all = {"users": {"admins": {"jo": {}}}}
    filtered = combined.firewall(project.settings("mon1"))
    assert set(filtered.reserved) == {9090, 9093}
    # A user that is not there yet, or not any more, does not keep the rules from being loaded.
    rules = ruleset(filtered, [22], None, {"prometheus": 107, "jo": 1001})
    assert 'oif "lo" tcp dport 9093 meta skuid != { 0, 107, 1001 } reject' in rules
    project.hosts = {"web1": (["web"], {})}
    assert "chain reserved" not in ruleset(combined.firewall(project.settings()), [22], None)


@pytest.mark.parametrize(
    ("receiver", "message"),
    [
        ({"type": "pager"}, "expected one of webhook, email, slack, discord"),
        ({"type": "webhook"}, "is required"),
        ({**RECEIVERS["people"], "smarthost": "mail"}, "smarthost"),  # type: ignore[dict-item]
    ],
)
def test_wrong_receivers_are_told(tmp_path: Path, receiver: Any, message: str) -> None:
    project = Project(tmp_path)
    project.all = {"monitoring": {"receivers": {"chat": receiver}}}
    assert any(message in f"{key} {text}" for _, key, text in project.errors())


def report(**values: Any) -> Monitoring:
    targets: list[Target] = [
        {"job": item.job, "instance": host.name, "app": item.labels.get("app", ""), "up": True,
         "error": ""}
        for host, _, item in builders.targets(PLACE)
    ]  # fmt: skip
    known: Monitoring = {
        "targets": targets, "rules": ["Slow"], "failing": [], "alertmanager": True, "alerts": [],
        "disk": 3 << 20, "pages": [],
    }  # fmt: skip
    return cast("Monitoring", {**known, **values})


def judged(mine: MonitoringSettings, **values: Any) -> dict[str, tuple[Status, str]]:
    seen = Seen(View("192.0.2.1"), {"monitoring": report(**values)})
    return {item.name: (item.status, item.detail) for item in monitoring(mine, PLACE, seen)}


def test_verify_says_what_is_not_measured_and_who_is_told() -> None:
    with_chat = settings(receivers={"chat": RECEIVERS["chat"]})
    good = judged(with_chat)
    assert {status for status, _ in good.values()} == {Status.OK}
    assert good["monitoring: Alertmanager"][1] == "tells chat"
    assert judged(settings())["monitoring: receivers"][0] is Status.WARN
    first, *rest = report()["targets"]
    down = {**first, "up": False, "error": "connection refused"}
    bad = judged(
        with_chat,
        targets=[down, *rest[:-1]],
        rules=[],
        alertmanager=False,
        pages=["without a login, their site answers 200 instead of 401"],
    )
    assert bad["monitoring: dashboards"][0] is Status.FAIL
    assert bad["monitoring: targets"] == (
        Status.FAIL,
        "shop applications of web1 is not measured; host of mon1: connection refused",
    )
    assert bad["monitoring: alerts"] == (Status.FAIL, "no alert Slow")
    assert bad["monitoring: Alertmanager"][0] is Status.FAIL


def test_status_shows_what_fires() -> None:
    alert = {"alertname": "DiskFull", "severity": "critical", "instance": "web1", "app": ""}
    assert list(status(report(alerts=[alert]))) == [
        "monitoring: 5 of 5 targets up, 3 MiB on disk",
        "alert: DiskFull (critical) web1",
    ]


ANSWERS: dict[str, Any] = {
    "/api/v1/targets?state=active": {
        "data": {
            "activeTargets": [
                {"labels": {"job": "host", "instance": "web1"}, "health": "up", "lastError": ""}
            ]
        }
    },
    "/user/panels.json": {},
    "/user/chart.js": {},
    "/api/v1/rules": {
        "data": {"groups": [{"rules": [{"name": "A", "health": "err", "lastError": "why"}]}]}
    },
    "/api/v1/alertmanagers": {"data": {"activeAlertmanagers": [{}]}},
    "/api/v2/alerts?active=true": [{"labels": {"alertname": "A", "instance": "web1", "x": "y"}}],
}
COUNTED = 'alertmanager_notification_requests_{}total{{integration="{}"}} {}\n'


class Server(BaseHTTPRequestHandler):
    """Prometheus and Alertmanager in one. An alert that is sent goes to a webhook, and fails by
    e-mail."""

    sent = 0

    def answer(self, text: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self) -> None:
        if self.path != "/metrics":
            self.answer(json.dumps(ANSWERS[self.path]))
            return
        lines = [("", "webhook", 2), ("", "email", 1), ("failed_", "email", 1)]
        self.answer("".join(COUNTED.format(*item[:2], item[2] * Server.sent) for item in lines))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Server.sent += 1
        self.answer("")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_what_is_read_on_the_host(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wal").write_bytes(b"x" * 10_000)
    monkeypatch.setattr(on_host, "DATA", str(tmp_path))
    asked: dict[str, Any] = {
        "prometheus": port, "alertmanager": port, "targets": 1, "rules": ["A"], "site": None
    }  # fmt: skip
    state = on_host.monitoring({**asked, "patience": 1})
    assert on_host.is_complete(asked, state)
    # Right after its start, Prometheus knows nothing yet.
    nothing: list[Any] = [{"targets": []}, {"rules": []}, {"alertmanager": False}]
    for missing in nothing:
        assert not on_host.is_complete(asked, cast("Monitoring", {**state, **missing}))
    assert state["targets"] == [
        {"job": "host", "instance": "web1", "app": "", "up": True, "error": ""}
    ]
    assert (state["rules"], state["failing"], state["alertmanager"]) == (["A"], ["A: why"], True)
    assert state["alerts"] == [{"alertname": "A", "instance": "web1", "app": "", "severity": ""}]
    assert state["disk"] >= 10_000
    assert state["pages"] == []
    # Nothing there speaks TLS.
    [problem] = on_host.pages({**asked, "site": {"port": port, "name": "mon.test"}})
    assert "their site answers nothing" in problem


def test_a_test_alert_tells_what_arrived(port: int) -> None:
    kinds = ["email", "webhook"]
    request = {"alertmanager": port, "seconds": 5, "kinds": kinds, "labels": {}, "annotations": {}}
    answer = on_host.send_test(request)
    assert answer == {"sent": {"webhook": 2, "email": 1}, "failed": {"email": 1}}
    assert told(["webhook"], answer) == []
    assert told(kinds, answer)[0].startswith("email: refused")
    assert told(["webhook"], {"sent": {}, "failed": {}})[0].startswith("webhook: nothing was sent")
    assert told([], answer) == ["alerts have no receiver: set monitoring.receivers"]


def test_rules_with_long_windows_are_judged_less_often() -> None:
    slow = replace(RULE, name="Slower", every=300)
    groups = yaml.safe_load(builders.rules([neighbour("db1", rules=(RULE, slow))]))["groups"]
    assert [
        (item.get("interval"), [rule["alert"] for rule in item["rules"]]) for item in groups
    ] == [(None, ["Slow"]), ("300s", ["Slower"])]
