"""What verify and status read about the swarm. Runs on the host as root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import run
from groundcrew.roles.swarm.on_host_engine import ask, filters
from groundcrew.roles.swarm.on_host_progress import services

if TYPE_CHECKING:
    # Types of the reports, shared with what reads them; never sent to a host.
    from groundcrew.roles.swarm.report import Swarm

Data = dict[str, Any]


def swarm(request: Data) -> Swarm:
    """The engine, its part of the swarm and, on a manager, hosts and services."""
    info = ask("GET", "/info")
    member = info["Swarm"]
    report: Swarm = {
        "version": info["ServerVersion"],
        "storage": info["Driver"],
        "log": info["LoggingDriver"],
        "state": member["LocalNodeState"],
        "address": member.get("NodeAddr", ""),
        "manager": bool(member.get("ControlAvailable")),
        "rules": has_rules(),
        "hosts": [],
        "services": [],
    }
    if report["manager"]:
        report["hosts"] = [
            {
                "name": item["Description"]["Hostname"],
                "role": item["Spec"]["Role"],
                "state": item["Status"]["State"],
                "availability": item["Spec"]["Availability"],
                "reachability": item.get("ManagerStatus", {}).get("Reachability", ""),
            }
            for item in ask("GET", "/nodes")
        ]
        report["services"] = [
            service
            for name in request["apps"]
            for service in services(filters(label=[f"groundcrew.app={name}"]))
        ]
    return report


def has_rules() -> bool:
    """Whether the packet filter has Docker Engine's rules: without them no container is reached."""
    return run("iptables", "-S", "DOCKER-USER").returncode == 0
