"""What monitoring reads on a host: where exporters listen, who may ask, and what is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from groundcrew.contract import Brings
from groundcrew.entries import File
from groundcrew.metrics import Metrics
from groundcrew.remote import maintenance_metric
from groundcrew.roles.metrics import MetricsSettings
from groundcrew.roles.metrics.builders import MODULES, NODE, PROBER, drop_in
from groundcrew.roles.metrics.rules import of_host
from tests.unit.project import Project


def monitored(project: Project, monitor: str = "10.0.0.9", web: str = "10.0.0.1") -> Project:
    """A host with an application, and another one that monitors it."""
    project.app(more="health: {path: /health}\n")
    project.hosts = {
        "web1": (["web"], {"address": web}),
        "mon1": (["monitoring"], {"address": monitor}),
    }
    return project


def brought(project: Project, host: str = "web1") -> Brings:
    return project.settings(host).brought.roles["metrics"]


def text(brings: Brings, path: str) -> str:
    [file] = [item for item in brings.first_files if getattr(item, "path", "") == path]
    assert isinstance(file, File)
    return file.data.decode()


def test_without_a_host_that_monitors_there_is_nothing(project: Project) -> None:
    project.app()
    assert brought(project) == Brings()


def test_the_ports_are_open_for_the_monitoring_host_alone(project: Project) -> None:
    brings = brought(monitored(project))
    assert [(port.number, port.opened) for port in brings.ports] == [
        (9100, ("10.0.0.9",)),
        (9115, ("10.0.0.9",)),
        (3903, ("10.0.0.9",)),
    ]
    for unit, port in ((NODE, 9100), (PROBER, 9115)):
        lines = text(brings, drop_in(unit))
        assert f"--web.listen-address=10.0.0.1:{port}" in lines
        assert "\nIPAddressAllow=localhost 10.0.0.9\n" in f"{lines}\n"


def test_the_monitoring_host_reads_its_own_on_loopback(project: Project) -> None:
    brings = brought(monitored(project), "mon1")
    [port] = brings.ports
    assert (port.number, port.opened, port.public) == (9100, None, False)
    lines = text(brings, drop_in(NODE))
    assert lines.count("--web.listen-address") == 1
    assert "--web.listen-address=127.0.0.1:9100" in lines
    assert brings.packages == ("prometheus-node-exporter", "dbus")


def test_two_hosts_that_monitor_each_other(project: Project) -> None:
    monitored(project).hosts["mon2"] = (["monitoring"], {"address": "fd00::2"})
    brings = brought(project, "mon2")
    lines = text(brings, drop_in(NODE))
    assert "--web.listen-address=127.0.0.1:9100 --web.listen-address=[fd00::2]:9100" in lines
    assert brings.ports[0].opened == ("10.0.0.9",)


def test_the_agents_of_a_host_have_at_most_60_megabytes(project: Project) -> None:
    shares = [unit.memory for unit in brought(monitored(project)).units]
    assert 0 < sum(share.total for share in shares if share) <= 60_000_000


@pytest.mark.parametrize(
    ("more", "target", "parameters"),
    [
        (
            "health: {path: /health}\n",
            "http://127.0.0.1:80/health",
            {"module": "plain_http_200", "hostname": "shop.test"},
        ),
        (
            "prefix: /shop\nhealth: {path: /up, status: 204}\ntls: "
            "{certificate: {type: self-signed}, port: 8443}\n",
            "https://127.0.0.1:8443/shop/up",
            {"module": "tls_https_204", "hostname": "shop.test"},
        ),
        (
            "health: {path: /health}\nnginx: {forwarded_proto: https}\n",
            "http://127.0.0.1:80/health",
            {"module": "plain_https_200", "hostname": "shop.test"},
        ),
    ],
)
def test_health_paths_are_asked_for_as_after_a_release(
    project: Project, more: str, target: str, parameters: dict[str, str]
) -> None:
    monitored(project)
    project.write(
        "apps/shop.yml", (project.root / "apps/shop.yml").read_text().partition("health")[0] + more
    )
    brings = brought(project)
    [probe] = [item for item in brings.metrics if item.job == "applications"]
    assert probe.labels == {"app": "shop"}
    assert probe.parameters == {**parameters, "target": target}
    modules = yaml.safe_load(text(brings, MODULES))["modules"]
    [(name, module)] = modules.items()
    assert name == parameters["module"]
    assert module["http"]["valid_status_codes"] == [int(name[-3:])]
    assert module["http"]["headers"]["X-Forwarded-Proto"] == name.split("_")[1]


def test_addresses_must_be_private_and_known(project: Project) -> None:
    monitored(project, web="8.8.8.8")
    _, key, message = project.error()
    assert key == "metrics.public"
    assert message.startswith("mon1 would read the metrics of web1 at 8.8.8.8, unencrypted")
    project.all = {"metrics": {"public": True}}
    # An address on the internet may be another one on the host.
    assert "--web.listen-address=:9100" in text(brought(project), drop_in(NODE))
    project.hosts["web1"] = (["web"], {"address": "nowhere.invalid"})
    assert 'web1 would be reached at "nowhere.invalid"' in project.error()[2]


def test_a_port_that_an_application_has_is_refused(project: Project) -> None:
    monitored(project)
    project.write("apps/shop.yml", (project.root / "apps/shop.yml").read_text() + "port: 9100\n")
    assert "port 9100 is" in project.error()[2]


def test_hosts_know_what_others_bring(project: Project) -> None:
    place = monitored(project).settings("mon1").place
    assert place.name == "mon1"
    known = {item.name: item for item in place.hosts}
    assert known["web1"].measured().metrics[0] == Metrics("host", 9100)
    assert {rule.name for rule in known["mon1"].measured().rules} >= {
        "HostDown",
        "MonitoringBroken",
    }
    assert "ApplicationDown" not in {rule.name for rule in known["mon1"].measured().rules}


def test_maintenance_is_a_metric_in_a_file() -> None:
    path = Path(maintenance_metric.metric_path("shop"))
    assert (str(path.parent), path.suffix) == (maintenance_metric.FOLDER, ".prom")
    assert maintenance_metric.metric_text("shop") == 'groundcrew_maintenance{app="shop"} 1\n'


def test_an_update_may_wait_for_a_restart_for_some_days() -> None:
    rules = {rule.name: rule for rule in of_host(MetricsSettings(reboot_days=3))}
    assert rules["RebootPending"].lasting == 3 * 86400
