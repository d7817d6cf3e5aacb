"""What a service of Docker Swarm is, from an application's workload.

Two makers of stacks build on it: `groundcrew/orchestrators/swarm.py` writes files for a swarm of
others, and `roles/swarm/stack.py` describes what runs on a swarm of the inventory's hosts. Common
is here: how a container is started, stopped, limited and checked, how updates go and go back, and
what is mounted. What they add themselves differs: the export's server files are configs and its
secrets are read by the shell, while the role's image has the files and a first program that reads
the secrets; the export limits open files, while the role's containers have the engine's own limit,
beyond which none could start; in front is nginx with HTTPS and files, or HAProxy; networks and
labels.

Pure. A `$` in what these functions return is what it is: `text` escapes it for a stack file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundcrew.orchestrators import proxy
from groundcrew.orchestrators.workload import Limits, Process, Restart, Sandbox, Workload

INTERVAL, RETRIES = 5, 6
"""Of the health check, without `health.poll`: seconds, and failures after which a container is
replaced."""

MONITOR = 15
"""Seconds for which a new container must stay healthy."""

SLOT = "{{.Task.Slot}}"
"""Swarm's template for the number of a container in its service."""

DRAINED = (
    # The signal may come before `p` is set.
    "trap 'sleep {drain}; [ \"$!\" ] || exit 143; kill -TERM $!' TERM; "
    '"$@" & p=$!; wait $p; c=$?; '
    "while [ $c -gt 128 ] && kill -0 $p 2>/dev/null; do wait $p; c=$?; done; exit $c"
)
"""Starts a command. On SIGTERM it waits until the proxies have forgotten the container's address,
and only then stops the command."""

UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")
"""What names of configs, secrets and volumes cannot contain."""


@dataclass(frozen=True)
class Part:
    """A process of the application that runs in containers of its own."""

    command: tuple[str, ...]
    limits: Limits
    stop: int
    """Seconds that it has to end."""

    drain: int = 0
    """Seconds for which it goes on before it is told to end."""

    instances: int = 1
    restart: Restart = field(default_factory=Restart)
    first: bool = False
    """Whether the new container starts before the old one stops."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of its own."""


def server(workload: Workload, count: int, drain: int) -> Part:
    """The server, in `count` containers that go on for `drain` seconds when they are replaced."""
    return Part(
        command=workload.server.command,
        limits=workload.limits,
        stop=workload.server.stop_timeout,
        drain=drain,
        instances=count,
        restart=workload.restart,
        first=not workload.one_at_a_time and not workload.sqlite,
        variables={**workload.server.variables, **({"INSTANCE": SLOT} if count > 1 else {})},
    )


def worker(process: Process) -> Part:
    """A background process."""
    return Part(
        command=process.command,
        limits=process.limits,
        stop=process.stop_timeout,
        instances=process.instances,
        restart=process.restart,
        first=not process.single,
        variables={"WORKER_INSTANCE": SLOT},
    )


def sqlite_problem(workload: Workload, count: int) -> str | None:
    """Why an application cannot have that many containers of its server; None if it can."""
    if workload.sqlite and count > 1:
        return (
            f"env.{workload.sqlite[0]} names an SQLite database, which {count} containers would "
            "damage: use PostgreSQL or MariaDB, or one instance"
        )
    return None


def volumes_problem(workload: Workload) -> str | None:
    """Why directories that outlive releases cannot be told apart; None if they can."""
    taken: dict[str, str] = {}
    for item in workload.kept:
        other = taken.setdefault(volume(item), item)
        if other != item:
            return f"shared: {other} and {item} would be one volume, {volume(item)}: rename one"
    return None


def service(
    workload: Workload, part: Part, image: str, sandbox: Sandbox | None = None
) -> dict[str, Any]:
    """What all containers of the application have: image, variables, limits, confinement, and what
    is mounted. `sandbox` replaces the workload's."""
    sandbox = sandbox or workload.sandbox
    kept = {f"{workload.shared}/{item}" for item in workload.kept}
    made: dict[str, Any] = {
        "image": image,
        "environment": {
            # Swarm expands templates in variables.
            key: value if value == SLOT else value.replace("{{", '{{"{{"}}')
            for key, value in sorted({**workload.variables, **part.variables}.items())
        },
        "working_dir": workload.work_directory,
        "init": True,
        "stop_grace_period": f"{part.drain + part.stop}s",
        "cap_drop": ["ALL"],
        "volumes": [
            # Each container has its own, also those that share a volume.
            *in_memory(*(item for item in ("/tmp", workload.home) if item not in kept)),  # noqa: S108
            *(mount(workload, item) for item in workload.kept),
        ],
    }
    if sandbox.read_only:
        made["read_only"] = True
    if sandbox.capabilities:
        made["cap_add"] = list(sandbox.capabilities)
    return made


def started(workload: Workload, part: Part, lines: Sequence[str] = ()) -> list[str]:
    """The command of a part, after shell `lines` and after the kept directories are filled. It goes
    on for the time of its drain when it is told to end."""
    lines = [*lines, *(f"sh -c {shlex.quote(script)}" for script in workload.seeds)]
    if not lines and not part.drain:
        return list(part.command)
    last = DRAINED.format(drain=part.drain) if part.drain else 'exec "$@"'
    start = "set -e\n" if lines else ""
    end = f"set +e\n{last}" if lines else last
    return ["/bin/sh", "-c", start + "\n".join([*lines, end]), "sh", *part.command]


def deployed(part: Part, monitor: int = MONITOR) -> dict[str, Any]:
    """How containers of a service are replaced: one after the other, and back to what ran before if
    a new one fails. `monitor` counts from when a container is healthy; until then a failure always
    counts. Others find every container by the service's name."""
    policy: dict[str, Any] = {"condition": "any", "delay": f"{part.restart.seconds}s"}
    if part.restart.burst:
        policy |= {
            "max_attempts": part.restart.burst,
            "window": f"{part.restart.interval}s",
        }
    order = "start-first" if part.first else "stop-first"
    return {
        "mode": "replicated",
        "replicas": part.instances,
        "endpoint_mode": "dnsrr",
        "restart_policy": policy,
        **_replaced(order, monitor),
    }


def deployed_in_front(monitor: int = MONITOR) -> dict[str, Any]:
    """How a proxy is replaced that has a port of every node: the old one stops before the new one
    starts, as a port has one owner."""
    return {
        "mode": "global",
        "endpoint_mode": "dnsrr",
        "restart_policy": {"condition": "any", "delay": "1s"},
        **_replaced("stop-first", monitor, delay="3s"),
    }


def _replaced(order: str, monitor: int, **more: str) -> dict[str, Any]:
    step = {"parallelism": 1, "order": order, "monitor": f"{monitor}s", **more}
    return {
        "update_config": {**step, "failure_action": "rollback", "max_failure_ratio": 0},
        "rollback_config": step,
    }


def resources(limits: Limits, *, processes: bool = False) -> dict[str, Any]:
    """CPU and memory of a container, for `deploy`; with `processes`, their number too, which stack
    files have from version 3.9."""
    most: dict[str, Any] = {}
    if limits.processors:
        most["cpus"] = f"{limits.processors:g}"
    if limits.memory:
        most["memory"] = f"{limits.memory}b"
    if limits.processes and processes:
        most["pids"] = limits.processes
    told: dict[str, Any] = {"limits": most} if most else {}
    if limits.memory_kept:
        told["reservations"] = {"memory": f"{limits.memory_kept}b"}
    return {"resources": told} if told else {}


def healthcheck(workload: Workload, program: Sequence[str]) -> dict[str, Any]:
    """How Docker Engine learns that a container of the server is healthy. `program` starts
    `groundcrew/remote/container_health.py` in the container."""
    health, poll = workload.health, workload.health.poll
    words = (
        workload.server.protocol,
        str(workload.port),
        proxy.health_host(workload),
        "https" if workload.web.https else "http",
        health.path,
        str(health.status),
        str(health.request_timeout),
    )
    return {
        "test": ["CMD", *program, *words],
        # Docker has no shorter interval while a container starts before version 25.
        "interval": f"{poll.interval if poll else INTERVAL}s",
        # The program itself takes a moment to start.
        "timeout": f"{(poll.timeout if poll else health.request_timeout) + 5}s",
        "retries": poll.retries if poll else RETRIES,
        "start_period": f"{health.timeout}s",
    }


def mount(workload: Workload, item: str, *, read_only: bool = False) -> dict[str, Any]:
    """The volume of a directory that outlives releases, at its place."""
    return {
        "type": "volume",
        "source": volume(item),
        "target": f"{workload.shared}/{item}",
        **({"read_only": True} if read_only else {}),
    }


def volume(item: str) -> str:
    """Name of the volume of a directory that outlives releases."""
    return f"shared-{UNFIT.sub('-', item).strip('.-') or 'all'}"


def in_memory(*targets: str) -> list[dict[str, Any]]:
    """Directories in memory. `docker stack deploy` ignores the key `tmpfs` of a service."""
    return [{"type": "tmpfs", "target": target} for target in targets]


def text(value: Any) -> Any:
    """Data for a stack file, in which `$$` stands for `$`."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: text(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [text(item) for item in value]
    return value
