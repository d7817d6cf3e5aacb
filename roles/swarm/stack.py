"""What an application is in the swarm: the stack file, its secrets and its balancer. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundcrew.manifest.model import AppSettings
from groundcrew.orchestrators.workload import PORT, Limits, Workload
from groundcrew.roles.swarm.settings import SwarmApp
from groundcrew.templates import render

BALANCER_PORT = 8080
PYTHON = ("/usr/bin/python3", "-ISs")
PROGRAMS = "/usr/local/lib/groundcrew"
VARIABLES = "/run/groundcrew/variables"


@dataclass(frozen=True)
class Secret:
    """A secret of the swarm. Its name contains a digest of its value, as Docker's cannot change."""

    name: str
    target: str
    value: str | None
    """None: made up by the first manager, once."""

    length: int = 0
    characters: str = ""


def obstacles(app: AppSettings, chosen: SwarmApp) -> Iterator[tuple[str, str]]:
    """What of an application does not run in the swarm: key of the manifest -> reason and next
    step."""
    for key in ("static", "frontend", "media", "private"):
        if getattr(app, key) is not None:
            yield key, "nginx serves these files, and the swarm has none: keep it on hosts"
    if app.needs:
        yield "needs", "is for hosts: give the swarm the address of the service as a secret"
    if app.timers:
        yield "timers", "a swarm has no schedule: keep the application on hosts"
    if app.kept and chosen.shared is None:
        yield "shared", "say where it lives in the swarm: swarm.apps.NAME.shared"
    for path, rules in app.nginx.locations.items():
        if rules.basic_auth or rules.auth_request or rules.return_:
            reason = "the swarm's balancer knows only allow and deny: keep the application on hosts"
            yield f"nginx.locations.{path}", reason


def ignored(app: AppSettings) -> list[str]:
    """Keys of the manifest that are nginx's work, and have no effect in the swarm."""
    names = [f"nginx.{key}" for key in sorted(app.nginx.model_fields_set) if key != "locations"]
    for path, rules in app.nginx.locations.items():
        left = rules.model_fields_set - {"allow", "deny"}
        names += [f"nginx.locations.{path}.{key}" for key in sorted(left)]
    names += [f"secrets.{key}.as_file" for key, item in sorted(app.secrets.items()) if item.as_file]
    names += [key for key in ("tls", "sandbox") if key in app.model_fields_set]
    # Its default is a limit too, which the swarm does not keep.
    return [*names, *(["network"] if app.network != "any" else [])]


def secrets(
    name: str, app: AppSettings, values: Mapping[str, str], files: Mapping[str, str], folder: str
) -> list[Secret]:
    """The secrets of an application: its variables from the manifest's sources, and its
    configuration files, which may contain them."""
    told = [
        Secret(versioned(f"{name}_{key}", value), f"{VARIABLES}/{key}", value)
        for key, value in sorted(values.items())
        if key in app.secrets
    ]
    made = [
        Secret(
            f"{name}_{key}_v{source.generate.version}",
            f"{VARIABLES}/{key}",
            None,
            source.generate.length,
            source.generate.characters,
        )
        for key, source in sorted(app.secrets.items())
        if source.generate
    ]
    placed = [
        Secret(versioned(f"{name}_file", f"{path}\0{text}"), f"{folder}/app/{path}", text)
        for path, text in sorted(files.items())
    ]
    return [*told, *made, *placed]


def versioned(name: str, value: str) -> str:
    """A name with a digest of the value. It is slow to compute: the name is no secret, and must not
    help to guess one."""
    slow = hashlib.scrypt(value.encode(), salt=name.encode(), n=1 << 14, r=8, p=1, dklen=6)
    return f"{name[:50]}_{slow.hex()}"


def balancer(name: str, app: AppSettings, chosen: SwarmApp) -> str:
    """The balancer's configuration."""
    rules = [
        {
            "path": path.removeprefix("= "),
            "exact": path.startswith("= "),
            "allow": [] if rules.deny else list(rules.allow or ()),
            "status": 403,
        }
        for path, rules in sorted(app.nginx.locations.items(), key=lambda item: -len(item[0]))
        if rules.deny or rules.allow is not None
    ]
    return render(
        "swarm/haproxy.cfg.j2",
        app=name,
        service=f"{name}_app",
        port=PORT,
        # Twice as many during an update, and room to scale by hand.
        slots=max(10, 3 * replicas(app, chosen)),
        domains=app.domains,
        scheme=app.scheme,
        rules=rules,
        timeout=app.nginx.proxy_read_timeout,
    )


def health(app: AppSettings) -> dict[str, Any]:
    """How Docker Engine learns that a container is healthy."""
    settings = app.health
    host = app.domains[0].replace("*", "www") if app.domains else "localhost"
    words = [PORT, app.root + settings.path, settings.status, host, app.scheme,
             settings.request_timeout]  # fmt: skip
    poll = settings.poll
    return {
        "test": ["CMD", *PYTHON, f"{PROGRAMS}/healthy.py", *map(str, words)],
        # Docker has no shorter interval while a container starts before version 25.
        "interval": f"{max(1, int(poll.interval if poll else 5))}s",
        "timeout": f"{max(1, int(settings.request_timeout) + 1)}s",
        "retries": poll.retries if poll else 3,
        "start_period": f"{settings.timeout}s",
    }


def resources(limits: Limits) -> dict[str, Any]:
    """CPU, memory and processes of a container."""
    told: dict[str, Any] = {}
    if limits.memory:
        told["memory"] = str(limits.memory)
    if limits.processors:
        told["cpus"] = f"{limits.processors:.2f}"
    if limits.processes:
        told["pids"] = limits.processes
    kept = {"reservations": {"memory": str(limits.memory_kept)}} if limits.memory_kept else {}
    return {"resources": {"limits": told, **kept}} if told or kept else {}


def services(
    app: AppSettings,
    work: Workload,
    chosen: SwarmApp,
    *,
    image: str,
    balancer_image: str,
    release: str,
    user: tuple[int, int],
    given: Sequence[Secret],
) -> dict[str, dict[str, Any]]:
    """The services of the stack: the server, the workers and the balancer."""
    name, (uid, gid) = work.name, user
    common = {
        "image": image,
        # The stack file has variables of its own, which begin with a dollar.
        "environment": {
            key: value.replace("$", "$$") for key, value in sorted(work.variables.items())
        },
        "secrets": [
            {
                "source": item.name,
                "target": item.target,
                "uid": str(uid),
                "gid": str(gid),
                "mode": 0o400,
            }
            for item in given
        ],
        "networks": ["inside"],
        "init": True,
        "read_only": True,
        "cap_drop": ["ALL"],
        # `docker stack deploy` ignores the key `tmpfs`.
        "volumes": [
            {"type": "tmpfs", "target": "/tmp"},  # noqa: S108 - the container's own
            *(
                {"type": "volume", "source": volume(path), "target": f"{work.shared}/{path}"}
                for path in work.kept
            ),
        ],
    }
    server = {
        **common,
        "healthcheck": health(app),
        "stop_grace_period": f"{work.server.stop_timeout}s",
        "deploy": {
            **deployed(name, release, replicas(app, chosen), chosen),
            **resources(work.limits),
        },
    }
    workers = {
        f"worker-{item.name}": {
            **common,
            "command": [word.replace("$", "$$") for word in item.command],
            "healthcheck": {"disable": True},
            "stop_grace_period": f"{item.stop_timeout}s",
            "deploy": {
                **deployed(
                    name,
                    release,
                    item.instances,
                    chosen,
                    order="stop-first" if item.single else "start-first",
                ),
                **resources(item.limits),
            },
        }
        for item in work.workers
    }
    front = {
        "image": balancer_image,
        "user": "haproxy",
        "command": ["haproxy", "-W", "-db", "-f", "/etc/haproxy/groundcrew.cfg"],
        "configs": [{"source": "balancer", "target": "/etc/haproxy/groundcrew.cfg"}],
        "networks": ["inside"],
        "read_only": True,
        "cap_drop": ["ALL"],
        "ports": [
            {"target": BALANCER_PORT, "published": chosen.port, "protocol": "tcp", "mode": "host"}
        ],
        "deploy": {
            "mode": "global",
            "endpoint_mode": "dnsrr",
            "update_config": {"parallelism": 1, "order": "stop-first", "delay": "3s",
                              "failure_action": "rollback", "monitor": "5s"},
            "restart_policy": {"condition": "any", "delay": "1s"},
            "labels": {"groundcrew.app": name},
        },
    }  # fmt: skip
    return {"app": server, **workers, "balancer": front}


def replicas(app: AppSettings, chosen: SwarmApp) -> int:
    """Number of containers of the server."""
    return chosen.replicas or app.instances


def volume(path: str) -> str:
    """Name of the volume of a directory that outlives releases."""
    return path.replace("/", "-").lstrip(".")


def deployed(
    name: str,
    release: str,
    number: int,
    chosen: SwarmApp,
    order: str = "start-first",
) -> dict[str, Any]:
    """How containers of a service are placed and replaced: one after the other, and back to what
    ran before if a new one fails."""
    # It counts from when a container is healthy; until then a failure always counts.
    step = {"parallelism": 1, "order": order, "monitor": f"{chosen.monitor}s"}
    return {
        "mode": "replicated",
        "replicas": number,
        "endpoint_mode": "dnsrr",
        "update_config": {**step, "failure_action": "rollback", "max_failure_ratio": 0},
        "rollback_config": step,
        "restart_policy": {"condition": "any", "delay": "1s"},
        "labels": {"groundcrew.app": name, "groundcrew.release": release},
    }


def stack(
    every: Mapping[str, dict[str, Any]],
    work: Workload,
    given: Sequence[Secret],
    configuration: str,
) -> dict[str, Any]:
    """The stack file, as data. Each service has a label with the digest of all that it is."""
    for service in every.values():
        text = json.dumps([service, configuration if "configs" in service else ""], sort_keys=True)
        service["deploy"]["labels"]["groundcrew.digest"] = hashlib.sha256(
            text.encode()
        ).hexdigest()[:16]
    return {
        "version": "3.9",
        "services": dict(every),
        "networks": {"inside": {"external": True, "name": f"{work.name}_inside"}},
        "secrets": {item.name: {"external": True, "name": item.name} for item in given},
        "configs": {"balancer": {"external": True, "name": configuration}},
        "volumes": {volume(path): {} for path in work.kept},
    }
