"""Objects of Kubernetes, judged by its published schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from groundcrew.orchestrators import texts
from groundcrew.orchestrators.cron import NotInCronError, cron
from groundcrew.orchestrators.kubernetes import Export, NotInKubernetesError, Options, export
from tests.unit.workload_examples import FIVE, example, made

VERSIONS = ("1.29", "1.33", "1.37")
IMAGE = "registry.test/app:1"
HTTP_ROUTE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "gateway.networking.k8s.io/v1"},
        "kind": {"const": "HTTPRoute"},
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "parentRefs": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string", "minLength": 1, "maxLength": 253},
                            "namespace": {
                                "type": "string",
                                "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
                            },
                        },
                    },
                },
                "hostnames": {
                    "type": "array",
                    "maxItems": 16,
                    "items": {
                        "type": "string",
                        "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?"
                        r"(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
                    },
                },
                "rules": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "matches": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "additionalProperties": False,
                                    "properties": {
                                        "path": {
                                            "type": "object",
                                            "additionalProperties": False,
                                            "properties": {
                                                "type": {"enum": ["Exact", "PathPrefix"]},
                                                "value": {"type": "string", "maxLength": 1024},
                                            },
                                        }
                                    },
                                },
                            },
                            "backendRefs": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "additionalProperties": False,
                                    "required": ["name"],
                                    "properties": {
                                        "name": {"type": "string"},
                                        "port": {"type": "integer"},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}
"""The part of HTTPRoute that is used, as Gateway API describes it."""


def validate(item: Export) -> None:
    for objects in item.files.values():
        for one in objects:
            if one["kind"] == "HTTPRoute":
                jsonschema.validate(one, HTTP_ROUTE)
                continue
            for version in VERSIONS:
                kubernetes_validate.validate(one, version, strict=True)


def of(item: Export, kind: str, name: str | None = None) -> dict[str, Any]:
    [chosen] = [
        one
        for objects in item.files.values()
        for one in objects
        if one["kind"] == kind and name in (None, one["metadata"]["name"])
    ]
    return chosen


def kinds(item: Export) -> list[str]:
    return [one["kind"] for objects in item.files.values() for one in objects]


def one(tmp_path: Path, options: Options | None = None, **changes: Any) -> Export:
    item = export(made(tmp_path, **changes), options or Options(IMAGE))
    validate(item)
    return item


def dropped(item: Export) -> dict[str, str]:
    return {one.key: one.reason for one in item.dropped}


@pytest.mark.parametrize("name", FIVE)
def test_the_examples_fit_the_schemas(name: str) -> None:
    options = Options(IMAGE, namespace="shops", entrance="gateway", gateway="edge/public")
    workload = example(name, beside_proxy=True)
    for chosen in (Options(IMAGE), options):
        item = export(workload, chosen)
        validate(item)
        files = texts.kubernetes(workload, item, chosen)
        # What is written is what was computed, and the same every time.
        for path, objects in item.files.items():
            assert list(yaml.safe_load_all(files[path])) == objects
        again = example(name, beside_proxy=True)
        assert texts.kubernetes(again, export(again, chosen), chosen) == files


def test_a_pod_may_do_little(tmp_path: Path) -> None:
    pod = of(one(tmp_path), "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_a_pod_serves_until_it_is_forgotten(tmp_path: Path) -> None:
    item = one(tmp_path, server={"graceful_timeout": 50})
    pod = of(item, "Deployment")["spec"]["template"]["spec"]
    app, proxy = pod["containers"]
    # nginx, which accepts the requests, ends first. 12 s are the drain of a host.
    assert proxy["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "12"]
    assert app["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "14"]
    assert pod["terminationGracePeriodSeconds"] == 14 + 50 + 10


def test_the_probes_are_those_of_the_manifest(tmp_path: Path) -> None:
    health = {"path": "/health?deep=1", "status": 204, "timeout": 90, "request_timeout": 4}
    item = one(tmp_path / "one", health=health, domains=["*.shop.test"])
    [app, _] = of(item, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert app["startupProbe"] == {
        "httpGet": {"path": "/", "port": 8081},
        "timeoutSeconds": 4,
        "periodSeconds": 1,
        "failureThreshold": 90,
    }
    assert app["readinessProbe"]["successThreshold"] == 2
    assert "livenessProbe" not in app
    config = of(item, "ConfigMap", "shop-proxy")["data"]["nginx.conf"]
    assert "proxy_pass http://groundcrew/health?deep=1;" in config
    assert "proxy_set_header Host www.shop.test;" in config
    polled = one(tmp_path / "two", health={**health, "poll": {"retries": 7}})
    [app, _] = of(polled, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert app["livenessProbe"]["failureThreshold"] == 7


def test_secrets_are_names(tmp_path: Path) -> None:
    workload = made(
        tmp_path, env={"PRICE": "$(HOME) $x"}, secrets={"KEY": {"command": "pass show key"}}
    )
    options = Options(IMAGE)
    item = export(workload, options)
    validate(item)
    [app, _] = of(item, "Deployment")["spec"]["template"]["spec"]["containers"]
    variables = {one["name"]: one for one in app["env"]}
    assert variables["KEY"]["valueFrom"]["secretKeyRef"] == {"name": "shop-secrets", "key": "KEY"}
    # Kubernetes would replace $(HOME).
    assert variables["PRICE"]["value"] == "$$(HOME) $x"
    text = texts.kubernetes(workload, item, options)["secrets.yaml.example"]
    assert yaml.safe_load(text)["stringData"] == {"KEY": ""}
    assert "pass show key" in text


def test_the_network_is_the_manifests(tmp_path: Path) -> None:
    local = one(tmp_path / "one", Options(IMAGE, egress=("10.2.0.7",), from_namespace="front"))
    [dns, out] = of(local, "NetworkPolicy", "shop")["spec"]["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert out["to"] == [{"ipBlock": {"cidr": "10.2.0.7/32"}}]
    [rule] = of(local, "NetworkPolicy", "shop-web")["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8080}]
    labels = rule["from"][0]["namespaceSelector"]["matchLabels"]
    assert labels == {"kubernetes.io/metadata.name": "front"}
    everywhere = one(tmp_path / "two", network="any")
    [_, out] = of(everywhere, "NetworkPolicy", "shop")["spec"]["egress"]
    assert "169.254.0.0/16" in out["to"][0]["ipBlock"]["except"]
    assert "network" in dropped(everywhere)


def test_workers_timers_and_hooks(tmp_path: Path) -> None:
    item = one(
        tmp_path,
        hooks={"release": ["echo one", "echo two"], "timeout": 60},
        workers={
            "mail": {"command": "python mail.py", "instances": 2, "stop_timeout": 90},
            "index": {"command": "python index.py", "single": True},
        },
        timers={
            "night": {"command": "python night.py", "schedule": "Mon..Fri 02:30 Europe/Berlin"},
            "odd": {"command": "true", "schedule": "*-*~1 04:00"},
        },
    )
    job = of(item, "Job")
    assert job["metadata"]["name"] == item.job
    hooks = job["spec"]["template"]["spec"]
    assert [one["command"][-1] for one in hooks["initContainers"]] == ["echo one"]
    assert [one["command"][-1] for one in hooks["containers"]] == ["echo two"]
    assert job["spec"]["backoffLimit"] == 0
    mail = of(item, "StatefulSet")["spec"]
    assert mail["ordinals"] == {"start": 1}
    assert mail["template"]["spec"]["terminationGracePeriodSeconds"] == 90
    assert of(item, "Deployment", "shop-index")["spec"]["strategy"] == {"type": "Recreate"}
    night = of(item, "CronJob")["spec"]
    assert (night["schedule"], night["timeZone"]) == ("30 2 * * 1-5", "Europe/Berlin")
    assert "no CronJob" in dropped(item)["timers.odd"]


def test_a_job_for_each_image(tmp_path: Path) -> None:
    workload = made(tmp_path, hooks={"release": ["echo one"]})
    names = {export(workload, Options(f"registry.test/shop:{tag}")).job for tag in (1, 1, 2)}
    assert len(names) == 2


def test_data_of_one_pod(tmp_path: Path) -> None:
    options = Options(IMAGE, access="ReadWriteOnce")
    item = one(tmp_path / "one", options, shared=["data"])
    assert of(item, "PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert of(item, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert "requests fail" in dropped(item)["release.strategy"]
    with pytest.raises(NotInKubernetesError, match="ReadWriteOnce is for one pod"):
        one(tmp_path / "two", options, shared=["data"], instances=2)
    shared = one(tmp_path / "three", shared=["data"], instances=2)
    assert of(shared, "PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteMany"]
    assert of(shared, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_an_sqlite_database_has_one_pod(tmp_path: Path) -> None:
    env = {"DATABASE": "sqlite:////srv/shop/shared/data/shop.db"}
    workload = made(tmp_path, env=env, shared=["data"], instances=2)
    with pytest.raises(NotInKubernetesError, match="DATABASE names an SQLite database"):
        export(workload, Options(IMAGE))
    item = export(workload, Options(IMAGE, replicas=1))
    assert of(item, "PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_more_pods_under_load(tmp_path: Path) -> None:
    limits = {"cpu_quota": "50%", "memory_max": "600M"}
    item = one(tmp_path / "one", Options(IMAGE, max_replicas=5), limits=limits, instances=2)
    scaler = of(item, "HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 5)
    # Otherwise every `kubectl apply` would undo the autoscaler's number.
    assert "replicas" not in of(item, "Deployment")["spec"]
    [app, _] = of(item, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert app["resources"]["limits"] == {"cpu": "500m", "memory": str(600 << 20)}
    with pytest.raises(NotInKubernetesError, match="cpu_quota"):
        one(tmp_path / "two", Options(IMAGE, max_replicas=5))
    with pytest.raises(NotInKubernetesError, match="not more than the 2"):
        one(tmp_path / "three", Options(IMAGE, max_replicas=2), limits=limits, instances=2)


def test_what_is_in_front(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "domains": ["shop.test"],
        "redirects": {"www.shop.test": "shop.test"},
        "prefix": "/shop",
        "tls": {"certificate": {"type": "self-signed"}},
        "nginx": {"client_max_body_size": "100M"},
    }
    options = Options(IMAGE, ingress_class="nginx", issuer="letsencrypt")
    item = one(tmp_path / "one", options, **changes)
    ingress = of(item, "Ingress")
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == ["shop.test", "www.shop.test"]
    assert ingress["spec"]["rules"][0]["http"]["paths"][0]["path"] == "/shop"
    assert ingress["spec"]["tls"] == [
        {"hosts": ["shop.test", "www.shop.test"], "secretName": "shop-tls"}
    ]
    annotations = ingress["metadata"]["annotations"]
    assert annotations["cert-manager.io/cluster-issuer"] == "letsencrypt"
    assert annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == "100m"
    config = of(item, "ConfigMap", "shop-proxy")["data"]["nginx.conf"]
    assert "return 308 https://shop.test$request_uri;" in config
    gateway = Options(IMAGE, entrance="gateway", gateway="edge/public")
    route = of(one(tmp_path / "two", gateway, **changes), "HTTPRoute")["spec"]
    assert route["parentRefs"] == [{"name": "public", "namespace": "edge"}]
    assert route["hostnames"] == ["shop.test", "www.shop.test"]
    nothing = one(tmp_path / "three", Options(IMAGE, entrance="none"), **changes)
    assert not {"Ingress", "HTTPRoute"} & set(kinds(nothing))


def test_a_path_for_some_networks_is_closed_until_clients_are_known(tmp_path: Path) -> None:
    nginx = {"locations": {"/admin/": {"allow": ["10.0.0.0/8"]}}}
    closed = one(tmp_path / "one", nginx=nginx)
    config = of(closed, "ConfigMap", "shop-proxy")["data"]["nginx.conf"]
    assert "return 403;" in config.partition("location /admin/ {")[2].partition("}")[0]
    assert "nginx.locations allow" in dropped(closed)
    known = one(tmp_path / "two", Options(IMAGE, trusted=("10.1.0.0/16",)), nginx=nginx)
    config = of(known, "ConfigMap", "shop-proxy")["data"]["nginx.conf"]
    assert "set_real_ip_from 10.1.0.0/16;" in config
    admin = config.partition("location /admin/ {")[2].partition("}")[0]
    assert "allow 10.0.0.0/8;" in admin
    assert "deny all;" in admin
    assert "nginx.locations allow" not in dropped(known)


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ("daily", "0 0 * * *"),
        ("Mon..Fri 02:30", "30 2 * * 1-5"),
        ("Sat,Sun 08:00", "0 8 * * 6,0"),
        ("Fri..Sun 08:00", "0 8 * * 5-7"),
        ("*-*-01 04:00", "0 4 1 * *"),
        ("*:0/15", "0-59/15 * * * *"),
        ("*-*-* 01:00:00", "0 1 * * *"),
        ("*-1..6-15 6,18:05", "5 6,18 15 1-6 *"),
        ("Wed", "0 0 * * 3"),
    ],
)
def test_calendar_events_in_cron(event: str, wanted: str) -> None:
    assert cron(event) == (wanted, None)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ("*-*~1 04:00", "end of a month"),
        ("2027-1-1 04:00", "no years"),
        ("*:*:30", "no seconds"),
        ("Mon *-*-13 04:00", "not on both"),
    ],
)
def test_what_cron_cannot_say(event: str, why: str) -> None:
    with pytest.raises(NotInCronError, match=why):
        cron(event)


def test_the_time_zone_of_an_event() -> None:
    assert cron("daily Europe/Berlin") == ("0 0 * * *", "Europe/Berlin")
    assert cron("02:30 UTC") == ("30 2 * * *", "Etc/UTC")
