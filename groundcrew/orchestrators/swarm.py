"""An application as a stack of Docker Swarm, computed from its workload.

What a service is has a module of its own, `swarm_service.py`; here are the parts of the export:
how secrets and files get into containers, nginx in front, and jobs."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from groundcrew import remote
from groundcrew.orchestrators import proxy
from groundcrew.orchestrators.swarm_service import (
    RETRIES,
    UNFIT,
    Part,
    deployed,
    deployed_in_front,
    healthcheck,
    in_memory,
    mount,
    resources,
    server,
    service,
    sqlite_problem,
    started,
    volumes_problem,
    worker,
)
from groundcrew.orchestrators.swarm_service import volume as volume_name
from groundcrew.orchestrators.workload import Dropped, Workload

PROXY_IMAGE = "nginx:1.28"
VERSION = "3.8"
HEALTH = "/etc/groundcrew/health.py"
PROXY_PORT, PROXY_TLS_PORT = 8080, 8443
PROXY_STOP = 30


class NotInSwarmError(Exception):
    """A workload cannot run in Swarm; the message says why, and what to do."""


@dataclass(frozen=True)
class Stack:
    """A stack: what `docker stack deploy` gets, and what belongs to it."""

    content: dict[str, Any]
    """The Compose file, version 3. A `$` is what it is: `text` escapes it."""

    files: Mapping[str, str]
    """Texts of its configs, by their paths beside the file."""

    jobs: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """Services that run once, in the same form: `release`, and timers by name."""

    secrets: Mapping[str, str] = field(default_factory=dict)
    """Secrets that must exist: name -> what to put in."""

    dropped: tuple[Dropped, ...] = ()
    """Settings that it does not carry."""


def stack(
    workload: Workload,
    image: str,
    *,
    proxy_image: str = PROXY_IMAGE,
    http_port: int = 80,
    https_port: int = 443,
    replicas: int | None = None,
    secret_names: Mapping[str, str] | None = None,
    volume: Mapping[str, Any] | None = None,
    constraints: Sequence[str] = (),
    proxy_constraints: Sequence[str] = (),
) -> Stack:
    """The stack of a workload whose server listens on a port.

    `image` contains the release at the paths of `Workload`, and `proxy_image` nginx and the files
    of `proxy.copies`. The proxy publishes `http_port` and, with TLS, `https_port` of its nodes.
    `replicas` replaces the manifest's number of instances. `secret_names` replaces names of Swarm's
    secrets, by variable or path. `volume` is how volumes are made (`{"driver": ...}`); without,
    they are of one node, which gets the label that `data_label` names. `constraints` say on which
    nodes the containers run. Raises NotInSwarmError.
    """
    if workload.server.listen.startswith("unix:"):
        raise NotInSwarmError(
            "the server listens on a Unix socket, which no other container reaches"
        )
    count = workload.instances if replicas is None else replicas
    problem = sqlite_problem(workload, count) or volumes_problem(workload)
    if problem:
        raise NotInSwarmError(problem)
    chosen = dict(secret_names or {})
    build = _Builder(workload, image, chosen, bool(volume), tuple(constraints))
    services = {workload.name: build.server(count)}
    services |= {
        f"{workload.name}-{process.name}": build.service(worker(process))
        for process in workload.workers
    }
    services["proxy"] = build.proxy(proxy_image, http_port, https_port, tuple(proxy_constraints))
    jobs = build.jobs()
    content: dict[str, Any] = {
        "version": VERSION,
        "services": services,
        "networks": {
            "app": {"driver": "overlay", **({"internal": True} if build.closed else {})},
            "edge": {"driver": "overlay"},
        },
    }
    if build.configs:
        content["configs"] = {
            key: {"name": name, "file": f"./{path}"}
            for key, (name, path, _) in sorted(build.configs.items())
        }
    if build.secrets:
        content["secrets"] = {
            key: {"external": True, "name": name}
            for key, (name, _) in sorted(build.secrets.items())
        }
    if workload.kept:
        content["volumes"] = {volume_name(item): dict(volume or {}) for item in workload.kept}
    return Stack(
        content=content,
        files={path: text for _, path, text in build.configs.values()},
        jobs=jobs,
        secrets=dict(build.secrets.values()),
        dropped=(*workload.dropped, *_dropped(workload, count, build, proxy_image)),
    )


def data_label(name: str) -> str:
    """Label of the node that has an application's volumes: `docker node update --label-add
    LABEL=true NODE`."""
    return f"groundcrew.{name}.data"


class _Builder:
    """Collects configs and secrets while services are made."""

    def __init__(
        self,
        workload: Workload,
        image: str,
        names: Mapping[str, str],
        shared: bool,
        constraints: tuple[str, ...],
    ) -> None:
        self.workload, self.image, self.names = workload, image, names
        self.constraints = constraints
        if workload.kept and not shared:
            self.constraints += (f"node.labels.{data_label(workload.name)} == true",)
        self.configs: dict[str, tuple[str, str, str]] = {}
        """Key -> name in Swarm, path beside the stack, text."""

        self.secrets: dict[str, tuple[str, str]] = {}
        """Key -> name in Swarm, what to put in."""

    @property
    def closed(self) -> bool:
        """Whether the containers may reach nothing outside of the stack."""
        network = self.workload.network
        return not network.all and not network.allowed and not self.workload.needs

    def server(self, count: int) -> dict[str, Any]:
        """The service that answers requests."""
        workload = self.workload
        mounted = [
            self._config(f"{workload.server_files}/{name}", body)
            for name, body in sorted(workload.server.files.items())
        ]
        mounted.append(self._config(HEALTH, remote.source("container_health")))
        made = self.service(server(workload, count, workload.drain), configs=mounted)
        python = f"{workload.root}/current/venv/bin/python"
        return {**made, "healthcheck": healthcheck(workload, (python, HEALTH))}

    def service(
        self, part: Part, configs: Iterable[dict[str, Any]] = (), *, once: bool = False
    ) -> dict[str, Any]:
        """A service of the application's image; `once`: a job."""
        workload = self.workload
        lines = [
            f'{secret.name}="$(cat /run/secrets/{secret.name})"; export {secret.name}'
            for secret in workload.secrets
        ]
        made = {
            **service(workload, part, self.image),
            "entrypoint": started(workload, part, lines),
            "user": f"{workload.uid}:{workload.gid}",
            "networks": ["app"],
            "deploy": {
                **({} if once else deployed(part)),
                **resources(part.limits),
                **self._placed(self.constraints),
            },
        }
        files = [
            self._config(f"{workload.directory}/{file.path}", file.text)
            for file in workload.files
            if not file.secrets
        ]
        if part.limits.open_files:
            made["ulimits"] = {"nofile": part.limits.open_files}
        mounts = [*configs, *files]
        if mounts:
            made["configs"] = mounts
        secrets = self._secrets()
        if secrets:
            made["secrets"] = secrets
        return made

    @staticmethod
    def _placed(constraints: tuple[str, ...]) -> dict[str, Any]:
        return {"placement": {"constraints": list(constraints)}} if constraints else {}

    def proxy(
        self, image: str, http_port: int, https_port: int, constraints: tuple[str, ...]
    ) -> dict[str, Any]:
        """nginx, which publishes the ports of its nodes."""
        workload = self.workload
        tls = None
        secrets: list[dict[str, Any]] = []
        ports = [_port(PROXY_PORT, http_port)]
        if workload.web.certificate:
            parts = {
                "tls-chain": "the certificate in PEM, then the intermediate ones",
                "tls-key": "the certificate's private key in PEM, without a passphrase",
            }
            secrets = [self._secret(key, told) for key, told in parts.items()]
            tls = proxy.Tls(PROXY_TLS_PORT, "/run/secrets/tls-chain", "/run/secrets/tls-key")
            ports.append(_port(PROXY_TLS_PORT, https_port))
        files = proxy.files(
            workload,
            upstream=f"{workload.name}:{workload.port}",
            port=PROXY_PORT,
            resolver="127.0.0.11",
            clients_known=True,
            tls=tls,
        )
        if proxy.kept(workload):
            constraints += tuple(item for item in self.constraints if item not in constraints)
        made: dict[str, Any] = {
            "image": image,
            "entrypoint": list(proxy.COMMAND),
            "user": f"{workload.uid}:{workload.gid}",
            "init": True,
            "read_only": True,
            "cap_drop": ["ALL"],
            "networks": ["app", "edge"],
            "ports": ports,
            "stop_signal": "SIGQUIT",
            "stop_grace_period": f"{PROXY_STOP}s",
            "configs": [
                self._config(f"{proxy.FILES}/{name}", body) for name, body in sorted(files.items())
            ],
            "deploy": {**deployed_in_front(), **self._placed(constraints)},
        }
        if secrets:
            made["secrets"] = secrets
        made["volumes"] = [
            *in_memory("/tmp"),  # noqa: S108 - of the container
            *(mount(workload, item, read_only=True) for item in proxy.kept(workload)),
        ]
        return made

    def jobs(self) -> dict[str, dict[str, Any]]:
        """Services that run once: release hooks together, and each timer's command."""
        workload = self.workload
        jobs = {}
        if workload.hooks:
            hooks = Part(hooks_command(workload), workload.limits, stop=30)
            jobs["release"] = self.service(hooks, once=True)
        for timer in workload.timers:
            command = ("timeout", str(timer.timeout), *timer.command)
            jobs[timer.name] = self.service(Part(command, timer.limits, stop=30), once=True)
        return jobs

    def _config(self, target: str, body: str) -> dict[str, Any]:
        key = _key(PurePosixPath(target).name, self.configs, body)
        digest = hashlib.sha256(body.encode()).hexdigest()[:12]
        stem = f"{self.workload.name}-{key}"[: 63 - len(digest)]
        # Configs cannot be changed: another text is another config.
        self.configs[key] = (f"{stem}-{digest}", f"configs/{key}", body)
        owner = {"uid": str(self.workload.uid), "gid": str(self.workload.gid)}
        return {"source": key, "target": target, **owner, "mode": 0o440}

    def _secrets(self) -> list[dict[str, Any]]:
        workload = self.workload
        mounts = [self._secret(item.name, item.told) for item in workload.secrets]
        files = {
            file.path: f"the file of this name beside the stack, with {', '.join(file.secrets)} "
            "filled in"
            for file in workload.files
            if file.secrets
        }
        files |= {item.name: item.told for item in workload.secret_files}
        for path, told in files.items():
            mounts.append(
                self._secret(
                    f"file-{UNFIT.sub('-', path)}",
                    told,
                    f"{workload.directory}/{path}",
                    path,
                )
            )
        return mounts

    def _secret(
        self, key: str, told: str, target: str | None = None, asked: str | None = None
    ) -> dict[str, Any]:
        name = self.names.get(asked or key, f"{self.workload.name}-{key}")
        self.secrets[key] = (name, told)
        owner = {"uid": str(self.workload.uid), "gid": str(self.workload.gid)}
        return {"source": key, "target": target or key, **owner, "mode": 0o400}


def hooks_command(workload: Workload) -> tuple[str, ...]:
    """One command that runs the release hooks in their order, and stops at the first that fails."""
    lines = [
        f"echo {shlex.quote('--> hook: ' + ' '.join(hook.split()))}\n"
        f"timeout {workload.hooks_timeout} sh -c {shlex.quote(hook)}"
        for hook in workload.hooks
    ]
    return ("/bin/sh", "-ec", "\n".join(lines))


def _port(target: int, published: int) -> dict[str, Any]:
    return {"target": target, "published": published, "protocol": "tcp", "mode": "host"}


def _key(name: str, taken: Mapping[str, tuple[str, str, str]], body: str) -> str:
    """A name for a config that no other text has."""
    key, number = name, 1
    while key in taken and taken[key][2] != body:
        number += 1
        key = f"{number}-{name}"
    return key


def _dropped(
    workload: Workload, count: int, build: _Builder, proxy_image: str
) -> Iterable[Dropped]:
    if workload.served and proxy_image == PROXY_IMAGE:
        yield Dropped(
            "static" if not any(item.kind == "page" for item in workload.served) else "frontend",
            "the proxy's image must contain the files: build it with proxy/Dockerfile, and name it "
            "with --proxy-image",
        )
    for timer in workload.timers:
        yield Dropped(
            f"timers.{timer.name}",
            f"Swarm has no schedules: let a timer of a manager run jobs/{timer.name}.sh "
            f"(OnCalendar={timer.schedule})",
        )
    if workload.limits.processes:
        yield Dropped("limits.tasks_max", "a stack cannot say it")
    if not workload.sandbox.new_privileges:
        yield Dropped(
            "sandbox.NoNewPrivileges",
            'a stack cannot say it: set "no-new-privileges": true in /etc/docker/daemon.json',
        )
    if not workload.network.all and not build.closed:
        yield Dropped(
            "network",
            "an overlay network is open to the outside or closed, and no list of addresses: let "
            "the nodes' packet filter (chain DOCKER-USER) hold it",
        )
    if workload.network.all:
        yield Dropped(
            "network",
            "the metadata services of clouds can be reached: let the nodes' packet filter refuse "
            "them (chain DOCKER-USER)",
        )
    if not workload.health.poll:
        yield Dropped(
            "health.poll",
            f"Swarm asks in any case, and replaces what does not answer {RETRIES} times",
        )
    if workload.web.certificate == "acme":
        yield Dropped("tls.certificate.acme", "nobody renews it: replace the secret in time")
    if workload.kept and any(item.startswith("node.labels.") for item in build.constraints):
        yield Dropped(
            "shared",
            f"volumes are of one node: label it with {data_label(workload.name)}=true. All "
            "containers run there, and with it the application fails",
        )
    if count > 1 and workload.one_at_a_time:
        yield Dropped("release.strategy", "restart replaces one container after the other")
