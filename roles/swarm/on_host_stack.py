"""Brings an application in the swarm to its wanted state. Runs on a manager as root.

The request is that of `roles/images.py`: the stack file, secrets and configurations by their
versioned names, and the release hooks. Values of secrets come over standard input and go to the
engine over its socket. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import base64
import json
import secrets
import string
import subprocess
import time
from typing import TYPE_CHECKING, Any

from groundcrew.roles.swarm.on_host_engine import EngineError, ask, filters
from groundcrew.roles.swarm.on_host_progress import output, reasons, services

if TYPE_CHECKING:
    # Types of the reports, shared with what reads them; never sent to a host.
    from groundcrew.roles.swarm.report import Stack

Data = dict[str, Any]
CHARACTERS = {"alphanumeric": string.ascii_letters + string.digits, "hex": "0123456789abcdef"}
WAIT = 0.5


class StackError(Exception):
    """The application cannot be brought to its wanted state; the message says why."""


def mine(name: str) -> str:
    """The part of a path that selects what belongs to an application."""
    return filters(label=[f"groundcrew.app={name}"])


def names(kind: str, request: Data) -> dict[str, str]:
    """The application's secrets or configurations: name -> ID."""
    return {
        item["Spec"]["Name"]: item["ID"] for item in ask("GET", f"/{kind}?{mine(request['app'])}")
    }


def state(request: Data) -> Stack:
    """What the swarm has of the application: names of secrets and configurations, and services."""
    return {
        "secrets": sorted(names("secrets", request)),
        "configs": sorted(names("configs", request)),
        "services": services(mine(request["app"])),
    }


def begin(request: Data) -> None:
    """Creates what the services need, runs the release hooks once, and tells the swarm the
    services. It goes on by itself from there. Raises StackError."""
    check_balancer(request)
    make_network(request)
    for kind in ("secrets", "configs"):
        here = names(kind, request)
        for item in request[kind]:
            if item["name"] not in here:
                create(kind, request["app"], item)
    if request["hooks"] and not hooks_done(request):
        run_hooks(request)
    options = ["--resolve-image", "never"] if request["local"] else ["--with-registry-auth"]
    done = subprocess.run(
        ["docker", "stack", "deploy", "--prune", *options, "--compose-file", "-", request["app"]],
        input=json.dumps(request["stack"]),
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        raise StackError((done.stderr or done.stdout).strip())


def check_balancer(request: Data) -> None:
    """Lets the balancer read a new configuration before the swarm gets it. Raises StackError."""
    here = names("configs", request)
    image = request["stack"]["services"]["balancer"]["image"]
    for item in request["configs"]:
        if item["name"] in here:
            continue
        done = subprocess.run(
            [
                "docker", "run", "--rm", "--interactive", "--network", "none", "--read-only",
                "--cap-drop", "ALL", "--user", "haproxy", "--tmpfs", "/run", image,
                "sh", "-c", "cat > /dev/shm/balancer && exec haproxy -c -q -f /dev/shm/balancer",
            ],
            input=item["value"], check=False, capture_output=True, text=True,
            errors="replace", timeout=300,
        )  # fmt: skip
        if done.returncode:
            raise StackError(f"the balancer refuses its configuration: {done.stderr.strip()}")


def make_network(request: Data) -> None:
    """Creates the network that the application's containers share."""
    name = f"{request['app']}_inside"
    if not [
        item for item in ask("GET", f"/networks?{filters(name=[name])}") if item["Name"] == name
    ]:
        ask(
            "POST",
            "/networks/create",
            {
                "Name": name,
                "Driver": "overlay",
                "CheckDuplicate": True,
                "Labels": {"groundcrew.app": request["app"]},
            },
        )


def create(kind: str, app: str, item: Data) -> None:
    """Creates a secret or a configuration."""
    value = item["value"]
    if value is None:
        letters = CHARACTERS[item["characters"]]
        value = "".join(secrets.choice(letters) for _ in range(item["length"]))
    data = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()
    labels = {"groundcrew.app": app, **item.get("labels", {})}
    ask("POST", f"/{kind}/create", {"Name": item["name"], "Labels": labels, "Data": data})


def hooks_done(request: Data) -> bool:
    """Whether the hooks of this release have run: a configuration without users says so."""
    return request["hooks_note"] in names("configs", request)


def run_hooks(request: Data) -> None:
    """Runs the hooks one after the other, each in a container like the server's. Raises
    StackError."""
    for number, hook in enumerate(request["hooks"], 1):
        run_hook(request, f"{request['app']}_hook-{number}", hook)
    create("configs", request["app"], {"name": request["hooks_note"], "value": "done"})


def run_hook(request: Data, name: str, command: list[str]) -> None:
    """Runs one command once, and waits for its end."""
    remove_service(name)
    spec = request["stack"]["services"]["app"]
    ids = names("secrets", request)
    network = f"{request['app']}_inside"
    told = {
        "Name": name,
        "Labels": {"groundcrew.hook": request["app"]},
        "Mode": {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": spec["image"],
                "Args": command,
                "Env": [
                    f"{key}={value.replace('$$', '$')}"
                    for key, value in spec["environment"].items()
                ],
                "Init": True,
                "ReadOnly": True,
                "CapabilityDrop": ["ALL"],
                "Healthcheck": {"Test": ["NONE"]},
                "Mounts": volumes(request),
                "Secrets": [
                    {
                        "SecretID": ids[item["source"]],
                        "SecretName": item["source"],
                        "File": {
                            "Name": item["target"],
                            "UID": item["uid"],
                            "GID": item["gid"],
                            "Mode": item["mode"],
                        },
                    }
                    for item in spec["secrets"]
                ],
            },
            "Resources": {"Limits": limits(spec)},
            "RestartPolicy": {"Condition": "none"},
            "Placement": {"Constraints": here()},
            "Networks": [{"Target": network}],
        },
    }
    ask("POST", "/services/create", told)
    try:
        deadline = time.monotonic() + request["hooks_timeout"]
        while True:
            tasks = ask("GET", f"/tasks?{filters(service=[name])}")
            states = {task["Status"]["State"] for task in tasks}
            if "complete" in states:
                return
            if states & {"failed", "rejected"}:
                raise StackError(
                    f"release hook failed: {command[-1]}: {'; '.join(reasons(name))}\n"
                    f"{output(name)}"
                )
            if time.monotonic() > deadline:
                raise StackError(f"release hook took too long: {command[-1]}\n{output(name)}")
            time.sleep(WAIT)
    finally:
        remove_service(name)


def limits(spec: Data) -> dict[str, int]:
    """What the server's containers may use, as the engine wants it."""
    most = spec.get("deploy", {}).get("resources", {}).get("limits", {})
    told = {}
    if "cpus" in most:
        told["NanoCPUs"] = int(float(most["cpus"]) * 1e9)
    if "memory" in most:
        told["MemoryBytes"] = int(most["memory"].rstrip("b"))
    if "pids" in most:
        told["Pids"] = most["pids"]
    return told


def here() -> list[str]:
    """Where hooks run: on this host, which has the image, unless it runs no containers."""
    name = ask("GET", "/info")["Swarm"]["NodeID"]
    active = ask("GET", f"/nodes/{name}")["Spec"]["Availability"] == "active"
    return [f"node.id == {name}"] if active else []


def volumes(request: Data) -> list[dict[str, str]]:
    """What is mounted into the server's containers, as the engine wants it."""
    mounts = []
    for item in request["stack"]["services"]["app"]["volumes"]:
        source = {"Source": f"{request['app']}_{item['source']}"} if "source" in item else {}
        mounts.append({"Type": item["type"], "Target": item["target"], **source})
    return mounts


def remove_service(name: str) -> None:
    """Removes a service, if there is one."""
    try:
        ask("DELETE", f"/services/{name}")
    except EngineError as error:
        if error.status != 404:
            raise


def clean(request: Data) -> list[str]:
    """Removes secrets and configurations of earlier versions that no service uses any more."""
    removed = []
    for kind in ("secrets", "configs"):
        wanted = {item["name"] for item in request[kind]} | {request["hooks_note"]}
        for name, key in names(kind, request).items():
            if name not in wanted:
                try:
                    ask("DELETE", f"/{kind}/{key}")
                except EngineError:
                    # A service uses it, for example one that has gone back.
                    continue
                removed.append(name)
    return removed
