"""What an application is in the swarm: the stack file, its secrets and its balancer. Pure.

What a service is has a module of its own, `groundcrew/orchestrators/swarm_service.py`, which the
export of stacks shares; here are the parts of this role's images and of its balancer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundcrew.manifest.model import AppSettings
from groundcrew.orchestrators.swarm_service import (
    Part,
    deployed,
    deployed_in_front,
    healthcheck,
    resources,
    server,
    service,
    started,
    text,
    volume,
    worker,
)
from groundcrew.orchestrators.workload import PORT, Sandbox, Workload
from groundcrew.roles.swarm.settings import SwarmApp
from groundcrew.templates import render

BALANCER_PORT = 8080
BALANCER_MONITOR = 5
"""Seconds for which a new balancer must run."""

PYTHON = ("/usr/bin/python3", "-ISs")
PROGRAMS = "/usr/local/lib/groundcrew"
VARIABLES = "/run/groundcrew/variables"
DRAIN = 5
"""Seconds for which a container that is replaced goes on. The balancer asks for its address every
second, and Docker removes the address before it stops the container."""


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
    names += ["limits.open_files"] if "open_files" in app.limits.model_fields_set else []
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
    name = work.name

    def container(part: Part, labels: dict[str, str]) -> dict[str, Any]:
        return {
            # The role's own confinement: `sandbox` of the manifest has no effect here.
            **service(work, part, image, Sandbox()),
            # The image's first program starts it, with the variables that are secrets.
            "command": started(work, part),
            "secrets": [placed(item, user) for item in given],
            "networks": ["inside"],
            "deploy": {
                **deployed(part, chosen.monitor),
                **resources(part.limits, processes=True),
                "labels": labels,
            },
        }

    labels = {"groundcrew.app": name, "groundcrew.release": release}
    drain = DRAIN if app.release.drain is None else app.release.drain
    made = {
        "app": {
            **container(server(work, replicas(app, chosen), drain), labels),
            "healthcheck": healthcheck(work, (*PYTHON, f"{PROGRAMS}/healthy.py")),
        }
    }
    for item in work.workers:
        made[f"worker-{item.name}"] = {
            **container(worker(item), labels),
            "healthcheck": {"disable": True},
        }
    made["balancer"] = {
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
        "deploy": {**deployed_in_front(BALANCER_MONITOR), "labels": {"groundcrew.app": name}},
    }
    return {key: text(item) for key, item in made.items()}


def placed(item: Secret, user: tuple[int, int]) -> dict[str, Any]:
    """A secret as a file that only the application's user can read."""
    owner = {"uid": str(user[0]), "gid": str(user[1])}
    return {"source": item.name, "target": item.target, **owner, "mode": 0o400}


def replicas(app: AppSettings, chosen: SwarmApp) -> int:
    """Number of containers of the server."""
    return chosen.replicas or app.instances


def stack(
    every: Mapping[str, dict[str, Any]],
    work: Workload,
    given: Sequence[Secret],
    configuration: str,
) -> dict[str, Any]:
    """The stack file, as data. Each service has a label with the digest of all that it is."""
    for item in every.values():
        told = json.dumps([item, configuration if "configs" in item else ""], sort_keys=True)
        digest = hashlib.sha256(told.encode()).hexdigest()[:16]
        item["deploy"]["labels"]["groundcrew.digest"] = digest
    return {
        "version": "3.9",
        "services": dict(every),
        "networks": {"inside": {"external": True, "name": f"{work.name}_inside"}},
        "secrets": {item.name: {"external": True, "name": item.name} for item in given},
        "configs": {"balancer": {"external": True, "name": configuration}},
        "volumes": {volume(path): {} for path in work.kept},
    }
