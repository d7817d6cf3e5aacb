"""An application as objects of Kubernetes, computed from its workload.

A pod has the server and, beside it, nginx, which connects to the server's Unix socket as on a host.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from groundcrew.manifest.serving import words
from groundcrew.orchestrators import proxy
from groundcrew.orchestrators.cron import NotInCronError, cron
from groundcrew.orchestrators.workload import SOCKET, Dropped, Limits, Workload

PROXY_IMAGE = "nginxinc/nginx-unprivileged:1.28"
HTTP, HEALTH = 8080, 8081
"""Ports of nginx: for visitors, and for the kubelet's probes."""

KEEPALIVE = 75
"""Seconds that nginx keeps a connection from what is in front: longer than ingress controllers do,
so that they, not nginx, close connections."""

PROBE, FAILURES = 5, 3
"""Seconds between two probes for readiness, and failures after which a pod gets no requests."""

AFTER_PROXY = 2
"""Seconds that the server goes on after nginx has begun to stop."""

CPU = 80
"""Percentage of the requested CPU at which more pods start."""


class NotInKubernetesError(Exception):
    """A workload cannot run in Kubernetes; the message says why, and what to do."""


@dataclass(frozen=True)
class Options:
    """What the manifest does not say."""

    image: str
    namespace: str = "default"
    proxy_image: str = PROXY_IMAGE
    replicas: int | None = None
    max_replicas: int | None = None
    """Largest number of pods; null: no HorizontalPodAutoscaler."""

    entrance: Literal["ingress", "gateway", "none"] = "ingress"
    ingress_class: str | None = None
    gateway: str = "gateway"
    """The Gateway, as `NAME` or `NAMESPACE/NAME`."""

    issuer: str | None = None
    """ClusterIssuer of cert-manager that gets the certificate."""

    secret: str | None = None
    """An existing Secret with the variables; null: `NAME-secrets`."""

    storage_class: str | None = None
    storage: str = "10Gi"
    access: Literal["ReadWriteMany", "ReadWriteOnce"] = "ReadWriteMany"
    trusted: tuple[str, ...] = ()
    """Networks of what is in front, whose word counts for the client's address."""

    from_namespace: str | None = None
    """Namespace of what is in front; null: every namespace may connect."""

    egress: tuple[str, ...] = ()
    """More networks that the application may connect to."""


@dataclass(frozen=True)
class Export:
    """Objects by the file that they belong in, in the order in which they are applied."""

    files: Mapping[str, list[dict[str, Any]]]
    dropped: tuple[Dropped, ...]
    secrets: Mapping[str, Mapping[str, str]]
    """Secrets that must exist: name -> key -> what to put in."""

    job: str | None
    """The Job of the release hooks."""


CONFIG, RELEASE, APP = "10-config.yaml", "20-release.yaml", "30-app.yaml"


def export(workload: Workload, options: Options) -> Export:
    """The objects of a workload whose proxy runs beside the server. Raises NotInKubernetesError."""
    made = _Objects(workload, options)
    if workload.sqlite and made.replicas > 1:
        raise NotInKubernetesError(
            f"env.{workload.sqlite[0]} names an SQLite database, which {made.replicas} pods would "
            "damage: use PostgreSQL or MariaDB, or --replicas 1"
        )
    if made.alone and (made.replicas > 1 or options.max_replicas):
        raise NotInKubernetesError(
            "a volume with ReadWriteOnce is for one pod: use --access ReadWriteMany, or "
            "--replicas 1"
        )
    job = made.release()
    files = {
        CONFIG: [*made.config_maps(), *made.claim(), *made.policies()],
        RELEASE: job,
        APP: [
            made.deployment(),
            made.service(),
            *made.workers(),
            *made.timers(),
            *made.budget(),
            *made.autoscaler(),
            *made.entrance(),
        ],
    }
    return Export(
        files={name: objects for name, objects in files.items() if objects},
        dropped=(*workload.dropped, *_dropped(workload, made)),
        secrets=made.secrets(),
        job=job[0]["metadata"]["name"] if job else None,
    )


class _Objects:
    def __init__(self, workload: Workload, options: Options) -> None:
        self.workload, self.options = workload, options
        self.name = workload.name
        self.proxy_files = proxy.files(
            workload,
            upstream=workload.server.listen,
            port=HTTP,
            health_port=HEALTH,
            trusted=options.trusted,
            keepalive=KEEPALIVE,
        )

    @property
    def replicas(self) -> int:
        given = self.options.replicas
        return self.workload.instances if given is None else given

    @property
    def alone(self) -> bool:
        """Whether only one pod may use the data."""
        if not self.workload.kept:
            return bool(self.workload.sqlite)
        return bool(self.workload.sqlite) or self.options.access == "ReadWriteOnce"

    def meta(self, name: str, part: str | None = None, **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "namespace": self.options.namespace,
            "labels": self.labels(part),
            **more,
        }

    def labels(self, part: str | None = None) -> dict[str, str]:
        return {
            "app.kubernetes.io/name": self.name,
            "app.kubernetes.io/managed-by": "groundcrew",
            **({"app.kubernetes.io/component": part} if part else {}),
        }

    def selector(self, part: str) -> dict[str, str]:
        return {"app.kubernetes.io/name": self.name, "app.kubernetes.io/component": part}

    # Configuration, volumes, network

    def plain_files(self) -> dict[str, str]:
        return {_key(file.path): file.text for file in self.workload.files if not file.secrets}

    def config_maps(self) -> Iterator[dict[str, Any]]:
        maps = {"server": self.workload.server.files, "proxy": self.proxy_files,
                "files": self.plain_files()}  # fmt: skip
        for part, texts in maps.items():
            if texts:
                yield {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": self.meta(f"{self.name}-{part}"),
                    "data": dict(sorted(texts.items())),
                }

    def claim(self) -> Iterator[dict[str, Any]]:
        if not self.workload.kept:
            return
        storage = self.options.storage_class
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": self.meta(f"{self.name}-shared"),
            "spec": {
                "accessModes": ["ReadWriteOnce" if self.alone else self.options.access],
                "resources": {"requests": {"storage": self.options.storage}},
                **({"storageClassName": storage} if storage else {}),
            },
        }

    def policies(self) -> Iterator[dict[str, Any]]:
        """What the pods may exchange packets with. The kubelet's probes always pass."""
        network = self.workload.network
        origin = self.options.from_namespace
        names = {"matchLabels": {"kubernetes.io/metadata.name": origin}} if origin else {}
        dns = {
            "to": [{"namespaceSelector": {"matchLabels": {
                "kubernetes.io/metadata.name": "kube-system"}}}],
            "ports": [{"protocol": kind, "port": 53} for kind in ("UDP", "TCP")],
        }  # fmt: skip
        if network.all:
            blocks = [
                {"cidr": everything, "except": [item for item in network.denied
                                                if (":" in item) == (":" in everything)]}
                for everything in ("0.0.0.0/0", "::/0")
            ]  # fmt: skip
            for block in blocks:
                block["except"] = [_network(item) for item in block["except"]]
            out = [{"to": [{"ipBlock": block} for block in blocks]}]
        else:
            allowed = dict.fromkeys(map(_network, (*network.allowed, *self.options.egress)))
            out = [{"to": [{"ipBlock": {"cidr": item}} for item in allowed]}] if allowed else []
        yield {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": self.meta(self.name),
            "spec": {
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": self.name}},
                "policyTypes": ["Ingress", "Egress"],
                "egress": [dns, *out],
            },
        }
        yield {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": self.meta(f"{self.name}-web", "web"),
            "spec": {
                "podSelector": {"matchLabels": self.selector("web")},
                "policyTypes": ["Ingress"],
                "ingress": [
                    {
                        "from": [{"namespaceSelector": names}],
                        "ports": [{"protocol": "TCP", "port": HTTP}],
                    }
                ],
            },
        }

    # Pods

    def variables(self, more: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        plain = {**self.workload.variables, **(more or {})}
        # `$(NAME)` would be replaced.
        told: list[dict[str, Any]] = [
            {"name": key, "value": value.replace("$(", "$$(")}
            for key, value in sorted(plain.items())
        ]
        secret = self.options.secret or f"{self.name}-secrets"
        told += [
            {"name": item.name,
             "valueFrom": {"secretKeyRef": {"name": secret, "key": item.name}}}
            for item in self.workload.secrets
        ]  # fmt: skip
        return told

    def security(self, *, proxy_container: bool = False) -> dict[str, Any]:
        sandbox = self.workload.sandbox
        capabilities: dict[str, Any] = {"drop": ["ALL"]}
        if sandbox.capabilities and not proxy_container:
            capabilities["add"] = list(sandbox.capabilities)
        return {
            "allowPrivilegeEscalation": sandbox.new_privileges and not proxy_container,
            "readOnlyRootFilesystem": sandbox.read_only or proxy_container,
            "capabilities": capabilities,
        }

    def container(
        self,
        name: str,
        command: Sequence[str],
        limits: Limits,
        more: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        workload = self.workload
        mounts = [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - of the container
            {"name": "home", "mountPath": workload.home},
            *(
                {"name": "shared", "mountPath": f"{workload.shared}/{item}", "subPath": item}
                for item in workload.kept
            ),
            *(
                {"name": "files", "mountPath": f"{workload.directory}/{file.path}",
                 "subPath": _key(file.path), "readOnly": True}
                for file in workload.files if not file.secrets
            ),
            *(
                {"name": "secret-files", "mountPath": f"{workload.directory}/{path}",
                 "subPath": _key(path), "readOnly": True}
                for path in self.secret_paths()
            ),
        ]  # fmt: skip
        resources = _resources(limits)
        return {
            "name": name,
            "image": self.options.image,
            "command": [word.replace("$(", "$$(") for word in command],
            "workingDir": workload.work_directory,
            "env": self.variables(more),
            **({"resources": resources} if resources else {}),
            "securityContext": self.security(),
            "volumeMounts": mounts,
        }

    def secret_paths(self) -> dict[str, str]:
        """Files that are secrets: path -> what to put in."""
        workload = self.workload
        paths = {
            file.path: f"files/{_key(file.path)}, with {', '.join(file.secrets)} filled in"
            for file in workload.files
            if file.secrets
        }
        return paths | {item.name: item.told for item in workload.secret_files}

    def secrets(self) -> dict[str, dict[str, str]]:
        made: dict[str, dict[str, str]] = {}
        if self.workload.secrets:
            name = self.options.secret or f"{self.name}-secrets"
            made[name] = {item.name: item.told for item in self.workload.secrets}
        if paths := self.secret_paths():
            made[f"{self.name}-files"] = {_key(path): told for path, told in paths.items()}
        return made

    def pod(
        self,
        containers: list[dict[str, Any]],
        *,
        grace: int,
        before: Iterable[dict[str, Any]] = (),
        volumes: Iterable[dict[str, Any]] = (),
        restart: str | None = None,
    ) -> dict[str, Any]:
        workload = self.workload
        seeds = [
            self.container(f"seed-{number}", words(script), workload.limits)
            for number, script in enumerate(workload.seeds, 1)
        ]
        prepared = [*seeds, *before]
        kept: list[dict[str, Any]] = []
        if workload.kept:
            claim = {"claimName": f"{self.name}-shared"}
            kept.append({"name": "shared", "persistentVolumeClaim": claim})
        if self.plain_files():
            kept.append({"name": "files", "configMap": {"name": f"{self.name}-files"}})
        if self.secret_paths():
            secret = {"secretName": f"{self.name}-files", "defaultMode": 0o440}
            kept.append({"name": "secret-files", "secret": secret})
        return {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            **({"restartPolicy": restart} if restart else {}),
            "terminationGracePeriodSeconds": grace,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": workload.uid,
                "runAsGroup": workload.gid,
                "fsGroup": workload.gid,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **({"initContainers": prepared} if prepared else {}),
            "containers": containers,
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
                {"name": "home", "emptyDir": {}},
                *kept,
                *volumes,
            ],
        }

    def template(self, part: str, pod: dict[str, Any]) -> dict[str, Any]:
        """A pod, with a digest of all that it reads: new content makes new pods."""
        read = [self.workload.server.files if part == "web" else {}, self.plain_files(),
                self.proxy_files if part == "web" else {}]  # fmt: skip
        digest = hashlib.sha256(json.dumps(read, sort_keys=True, default=dict).encode()).hexdigest()
        return {
            "metadata": {
                "labels": self.labels(part),
                "annotations": {"groundcrew/config": digest[:16]},
            },
            "spec": pod,
        }

    def deployment(self) -> dict[str, Any]:
        """The server, and nginx beside it."""
        workload = self.workload
        health, socket = workload.health, SOCKET.rpartition("/")[0]
        server = self.container(
            "app", workload.server.command, workload.limits, workload.server.variables
        )
        server["volumeMounts"] += [
            {"name": "socket", "mountPath": socket},
            *([{"name": "server", "mountPath": workload.server_files, "readOnly": True}]
              if workload.server.files else []),
        ]  # fmt: skip
        ask = {"httpGet": {"path": "/", "port": HEALTH}, "timeoutSeconds": health.request_timeout}
        server["startupProbe"] = {
            **ask,
            "periodSeconds": 1,
            "failureThreshold": health.timeout,
        }
        server["readinessProbe"] = {
            **ask,
            "periodSeconds": PROBE,
            "successThreshold": health.successes,
            "failureThreshold": FAILURES,
        }
        if poll := health.poll:
            server["livenessProbe"] = {
                **ask,
                "timeoutSeconds": poll.timeout,
                "initialDelaySeconds": poll.start_period,
                "periodSeconds": poll.interval,
                "failureThreshold": poll.retries,
            }
        drain = workload.drain
        if drain:
            # nginx first, so that it finishes what it has accepted.
            server["lifecycle"] = _sleep(drain + AFTER_PROXY)
        front: dict[str, Any] = {
            "name": "proxy",
            "image": self.options.proxy_image,
            "command": list(proxy.COMMAND),
            "ports": [{"name": "http", "containerPort": HTTP}],
            "resources": {"requests": {"cpu": "20m", "memory": "32Mi"},
                          "limits": {"memory": "128Mi"}},
            "securityContext": self.security(proxy_container=True),
            "volumeMounts": [
                {"name": "proxy-tmp", "mountPath": "/tmp"},  # noqa: S108 - of the container
                {"name": "proxy", "mountPath": proxy.FILES, "readOnly": True},
                {"name": "socket", "mountPath": socket},
                *(
                    {"name": "shared", "mountPath": f"{workload.shared}/{item}", "subPath": item,
                     "readOnly": True}
                    for item in proxy.kept(workload)
                ),
            ],
            **({"lifecycle": _sleep(drain)} if drain else {}),
        }  # fmt: skip
        before = []
        volumes: list[dict[str, Any]] = [
            {"name": "socket", "emptyDir": {}},
            {"name": "proxy-tmp", "emptyDir": {}},
            {"name": "proxy", "configMap": {"name": f"{self.name}-proxy"}},
        ]
        if workload.server.files:
            volumes.append({"name": "server", "configMap": {"name": f"{self.name}-server"}})
        if copied := proxy.copies(workload):
            script = "\n".join(
                f"mkdir -p {shlex.quote(target)} && cp -R {shlex.quote(source + '/.')} "
                f"{shlex.quote(target)}"
                for source, target in copied
            )
            copy = self.container("site", ("/bin/sh", "-ec", script), Limits())
            copy["volumeMounts"].append({"name": "site", "mountPath": proxy.SITE})
            before.append(copy)
            front["volumeMounts"].append(
                {"name": "site", "mountPath": proxy.SITE, "readOnly": True}
            )
            volumes.append({"name": "site", "emptyDir": {}})
        grace = drain + AFTER_PROXY + workload.server.stop_timeout
        alone = self.alone or workload.one_at_a_time
        strategy: dict[str, Any] = {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        }
        if alone:
            strategy = {"type": "Recreate"}
        pod = self.pod([server, front], grace=grace, before=before, volumes=volumes)
        if self.replicas > 1:
            pod["topologySpreadConstraints"] = [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": self.selector("web")},
                }
            ]
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": self.meta(self.name, "web"),
            "spec": {
                # An autoscaler owns the number.
                **({} if self.options.max_replicas else {"replicas": self.replicas}),
                "strategy": strategy,
                "progressDeadlineSeconds": max(600, health.timeout + grace + 60),
                "selector": {"matchLabels": self.selector("web")},
                "template": self.template("web", pod),
            },
        }

    def service(self) -> dict[str, Any]:
        """The pods under one name."""
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.meta(self.name, "web"),
            "spec": {
                "selector": self.selector("web"),
                "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            },
        }

    def workers(self) -> Iterator[dict[str, Any]]:
        """Background processes. Several of one kind have numbers, which a StatefulSet gives."""
        for worker in self.workload.workers:
            name = f"{self.name}-{worker.name}"
            container = self.container(worker.name, worker.command, worker.limits)
            several = worker.instances > 1
            number: dict[str, Any] = {"name": "WORKER_INSTANCE", "value": "1"}
            if several:
                label = "metadata.labels['apps.kubernetes.io/pod-index']"
                number = {
                    "name": "WORKER_INSTANCE",
                    "valueFrom": {"fieldRef": {"fieldPath": label}},
                }
            container["env"].append(number)
            spec: dict[str, Any] = {
                "replicas": worker.instances,
                "selector": {"matchLabels": self.selector(worker.name)},
                "template": self.template(
                    worker.name, self.pod([container], grace=worker.stop_timeout)
                ),
            }
            if several:
                spec |= {
                    "serviceName": name,
                    "podManagementPolicy": "Parallel",
                    "ordinals": {"start": 1},
                }
            elif worker.single or self.alone:
                spec["strategy"] = {"type": "Recreate"}
            yield {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet" if several else "Deployment",
                "metadata": self.meta(name, worker.name),
                "spec": spec,
            }

    def timers(self) -> Iterator[dict[str, Any]]:
        """Scheduled commands that cron can express."""
        for timer in self.workload.timers:
            try:
                schedule, zone = cron(timer.schedule)
            except NotInCronError:
                continue
            container = self.container(timer.name, timer.command, timer.limits)
            pod = self.pod([container], grace=30, restart="Never")
            yield {
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "metadata": self.meta(f"{self.name}-{timer.name}", timer.name),
                "spec": {
                    "schedule": schedule,
                    "timeZone": zone or timer.zone,
                    # As systemd, which does not start a command that still runs.
                    "concurrencyPolicy": "Forbid",
                    "jobTemplate": {
                        "spec": {
                            "backoffLimit": 0,
                            "activeDeadlineSeconds": timer.timeout,
                            "template": self.template(timer.name, pod),
                        }
                    },
                },
            }

    def release(self) -> list[dict[str, Any]]:
        """The release hooks. Another image or other hooks are another Job: a Job cannot change."""
        workload = self.workload
        if not workload.hooks:
            return []
        containers = [
            self.container(f"hook-{number}", ("/bin/sh", "-c", hook), workload.limits)
            for number, hook in enumerate(workload.hooks, 1)
        ]
        pod = self.pod(containers[-1:], grace=30, before=containers[:-1], restart="Never")
        spec = {
            "backoffLimit": 0,
            "activeDeadlineSeconds": workload.hooks_timeout * len(containers),
            "template": self.template("release", pod),
        }
        digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:10]
        return [
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": self.meta(f"{self.name}-release-{digest}", "release"),
                "spec": spec,
            }
        ]

    def budget(self) -> Iterator[dict[str, Any]]:
        """One pod at a time may be evicted. With a single pod, no node could ever be drained."""
        if self.replicas > 1:
            yield {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": self.meta(self.name, "web"),
                "spec": {
                    "maxUnavailable": 1,
                    "selector": {"matchLabels": self.selector("web")},
                },
            }

    def autoscaler(self) -> Iterator[dict[str, Any]]:
        """More pods under load, with `max_replicas`. Raises NotInKubernetesError."""
        most = self.options.max_replicas
        if most is None:
            return
        if not self.workload.limits.processors:
            raise NotInKubernetesError(
                "--max-replicas needs limits.cpu_quota in the manifest: pods are added by the "
                "share of the CPU that they use"
            )
        if most <= self.replicas:
            raise NotInKubernetesError(
                f"--max-replicas {most} is not more than the {self.replicas} that always run"
            )
        resource = {
            "name": "cpu",
            "container": "app",
            "target": {"type": "Utilization", "averageUtilization": CPU},
        }
        yield {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": self.meta(self.name, "web"),
            "spec": {
                "scaleTargetRef": {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "name": self.name,
                },
                "minReplicas": self.replicas,
                "maxReplicas": most,
                "metrics": [{"type": "ContainerResource", "containerResource": resource}],
            },
        }

    # What is in front

    def entrance(self) -> Iterator[dict[str, Any]]:
        """An Ingress or an HTTPRoute. nginx beside the server redirects and sets headers."""
        web = self.workload.web
        names = [*web.domains, *web.redirects]
        if self.options.entrance == "ingress":
            yield self._ingress(names)
        elif self.options.entrance == "gateway":
            namespace, _, gateway = self.options.gateway.rpartition("/")
            parent = {"name": gateway, **({"namespace": namespace} if namespace else {})}
            yield {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "HTTPRoute",
                "metadata": self.meta(self.name, "web"),
                "spec": {
                    "parentRefs": [parent],
                    **({"hostnames": names} if names else {}),
                    "rules": [
                        {
                            "matches": [{"path": {"type": "PathPrefix", "value": web.prefix}}],
                            "backendRefs": [{"name": self.name, "port": 80}],
                        }
                    ],
                },
            }

    def _ingress(self, names: Sequence[str]) -> dict[str, Any]:
        web, options = self.workload.web, self.options
        path = {
            "path": web.prefix,
            "pathType": "Prefix",
            "backend": {"service": {"name": self.name, "port": {"name": "http"}}},
        }
        bodies = {route.body for route in web.routes}
        longest = max((route.read_timeout for route in web.routes), default=60)
        prefix = "nginx.ingress.kubernetes.io"
        annotations = {
            # nginx beside the server limits bodies and buffers, by path.
            f"{prefix}/proxy-body-size": max(bodies, key=_bytes, default="10M").lower(),
            f"{prefix}/proxy-read-timeout": str(longest),
            f"{prefix}/proxy-send-timeout": str(longest),
            f"{prefix}/proxy-buffering": "off",
            f"{prefix}/proxy-request-buffering": "off",
        }
        if options.issuer:
            annotations["cert-manager.io/cluster-issuer"] = options.issuer
        spec: dict[str, Any] = {
            "rules": [{"host": name, "http": {"paths": [path]}} for name in names]
            or [{"http": {"paths": [path]}}],
        }
        if options.ingress_class:
            spec["ingressClassName"] = options.ingress_class
        if web.certificate:
            spec["tls"] = [{"hosts": list(names), "secretName": f"{self.name}-tls"}]
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": self.meta(self.name, "web", annotations=annotations),
            "spec": spec,
        }


def _sleep(seconds: int) -> dict[str, Any]:
    """Time for what is in front to learn that the pod ends."""
    return {"preStop": {"exec": {"command": ["sleep", str(seconds)]}}}


def _resources(limits: Limits) -> dict[str, Any]:
    most: dict[str, str] = {}
    least: dict[str, str] = {}
    if limits.processors:
        most["cpu"] = least["cpu"] = f"{round(limits.processors * 1000)}m"
    if limits.memory:
        most["memory"] = least["memory"] = str(limits.memory)
    if limits.memory_kept:
        least["memory"] = str(limits.memory_kept)
    told = {"requests": least, "limits": most}
    return {key: value for key, value in told.items() if value}


def _key(path: str) -> str:
    """A path as a key of a ConfigMap or Secret."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", path.replace("/", "--"))


def _network(text: str) -> str:
    if "/" in text:
        return text
    return f"{text}/128" if ":" in text else f"{text}/32"


def _bytes(size: str) -> int:
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return int(size) if size.isdecimal() else int(size[:-1]) * units[size[-1]]


def _dropped(workload: Workload, made: _Objects) -> Iterator[Dropped]:
    options = made.options
    for timer in workload.timers:
        try:
            cron(timer.schedule)
        except NotInCronError as error:
            yield Dropped(
                f"timers.{timer.name}",
                f"no CronJob for `{timer.schedule}`: {error}; give it a schedule that cron has",
            )
    if any(route.allow is not None for route in workload.web.routes) and not options.trusted:
        yield Dropped(
            "nginx.locations allow",
            "such paths answer 403 to all: nginx does not know the clients; name the networks of "
            "what is in front with --trusted-proxy",
        )
    if not options.from_namespace:
        yield Dropped(
            "network",
            "every namespace may connect to the application: name that of what is in front with "
            "--from-namespace",
        )
    if workload.needs and not workload.network.all and not (
        workload.network.allowed or options.egress
    ):  # fmt: skip
        yield Dropped(
            "needs",
            "the NetworkPolicy lets the application connect to nothing but DNS: name the network "
            "of its databases with --egress",
        )
    if workload.instances > 1:
        yield Dropped("instances", "pods have no number: the variable INSTANCE is not set")
    if workload.limits.processes:
        yield Dropped("limits.tasks_max", "the kubelet sets it for all pods (podPidsLimit)")
    if workload.limits.open_files:
        yield Dropped("limits.open_files", "the container runtime sets it for all containers")
    restarts = [workload.restart, *(worker.restart for worker in workload.workers)]
    if any(restart.burst for restart in restarts):
        yield Dropped("restart", "Kubernetes never gives up, and waits longer each time")
    if workload.kept and made.alone:
        yield Dropped(
            "release.strategy",
            "the old pod stops before the new one starts: requests fail meanwhile",
        )
    elif workload.one_at_a_time:
        yield Dropped("release.strategy", "requests fail while the pods are replaced")
