"""How far the services of the swarm are. Runs on a manager as root."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from groundcrew.roles.swarm.on_host_engine import ask, filters

if TYPE_CHECKING:
    # Types of the reports, shared with what reads them; never sent to a host.
    from groundcrew.roles.swarm.report import Progress, Service

Data = dict[str, Any]
FAILED = ("failed", "rejected", "orphaned")


def services(chosen: str) -> list[Service]:
    """The services that a filter selects, with the number of containers that run and should."""
    return [service(item) for item in ask("GET", f"/services?{chosen}&status=true")]


def service(item: Data) -> Service:
    """The state of one service."""
    spec, update = item["Spec"], item.get("UpdateStatus") or {}
    counted = item.get("ServiceStatus") or {}
    labels = spec.get("Labels") or {}
    image = spec["TaskTemplate"].get("ContainerSpec", {}).get("Image", "")
    return {
        "name": spec["Name"],
        "digest": labels.get("groundcrew.digest", ""),
        "release": labels.get("groundcrew.release", ""),
        "image": image.partition("@")[0],
        "running": counted.get("RunningTasks", 0),
        "wanted": counted.get("DesiredTasks", 0),
        "update": update.get("State", ""),
        "message": update.get("Message", ""),
        "version": item["Version"]["Index"],
    }


def failures(name: str) -> int:
    """Number of containers of a service that have failed, of those that the swarm remembers."""
    tasks = ask("GET", f"/tasks?{filters(service=[name])}")
    return sum(task["Status"]["State"] in FAILED for task in tasks)


def output(name: str) -> str:
    """The last lines of a service's output."""
    done = subprocess.run(
        ["docker", "service", "logs", "--raw", "--tail", "20", name],
        check=False, capture_output=True, text=True, errors="replace", timeout=20,
    )  # fmt: skip
    return "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])


def reasons(name: str) -> list[str]:
    """Why the last containers of a service ended, newest first."""
    tasks = ask("GET", f"/tasks?{filters(service=[name])}")
    tasks.sort(key=lambda item: item["Status"].get("Timestamp", ""), reverse=True)
    told = []
    for task in tasks:
        status = task["Status"]
        if status["State"] in FAILED or status.get("Err"):
            text = str(status.get("Err") or status.get("Message") or "").strip()
            code = status.get("ContainerStatus", {}).get("ExitCode")
            told.append(f"{status['State']}: {text}" + (f" (exit {code})" if code else ""))
    return list(dict.fromkeys(told))[:3]


def progress(request: Data) -> Progress:
    """The services of an application, and why containers of theirs failed."""
    every = services(filters(label=[f"groundcrew.app={request['app']}"]))
    late = [item["name"] for item in every if item["running"] < item["wanted"]
            or item["update"].startswith("rollback") or item["update"] == "paused"]  # fmt: skip
    counts = {name: failures(name) for name in late}
    return {
        "services": every,
        "reasons": {name: reasons(name) for name in late},
        "failures": counts,
        "output": {name: output(name) for name in late if counts[name] >= request["most"]},
    }
