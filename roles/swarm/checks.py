"""What verify and status say about the swarm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from groundcrew.results.result import Check, judge, not_applicable, warn
from groundcrew.roles.swarm.report import Service, Swarm
from groundcrew.roles.swarm.settings import SwarmSettings
from groundcrew.verify.seen import Seen

ROLLED_BACK = ("rollback_started", "rollback_paused", "rollback_completed", "paused")


def engine(settings: SwarmSettings, seen: Seen) -> Iterator[Check]:
    """The engine runs with its packet filter rules, and its swarm has all it should."""
    report: Swarm = seen.section("swarm")
    problems = [] if report["rules"] else [
        "the packet filter has no rules of Docker Engine: systemctl restart docker"
    ]  # fmt: skip
    wanted = settings.daemon.get("log-driver", "local")
    if report["log"] != wanted:
        problems.append(f"its logs go to {report['log']}, not {wanted}: systemctl restart docker")
    yield judge("docker", problems, f"{report['version']}, {report['storage']}, with its rules")
    if report["state"] == "inactive":
        yield not_applicable("swarm", "the host is in no swarm yet: groundcrew swarm")
        return
    problems = list(_of_members(report))
    yield judge("swarm", problems, _told(report))
    for name, item in sorted(_services(report).items()):
        problem = _of_service(item)
        text = f"{item['running']} of {item['wanted']} run, release {item['release'] or '-'}"
        yield judge(f"swarm {name}", [problem] if problem else [], text)
        if item["update"] in ROLLED_BACK:
            yield warn(f"swarm {name} update", f"the last one went back: {item['message']}")


def _services(report: Swarm) -> dict[str, Service]:
    return {item["name"]: item for item in report["services"]}


def _of_members(report: Swarm) -> Iterator[str]:
    if report["state"] != "active":
        yield f"the host's part is {report['state']}"
    for item in report["hosts"]:
        if item["state"] != "ready":
            yield f"{item['name']} is {item['state']}"
        if item["availability"] != "active":
            yield f"{item['name']} is set to {item['availability']}"
        if item["reachability"] not in ("", "reachable"):
            yield f"{item['name']}, a manager, is {item['reachability']}"


def _of_service(item: Service) -> str:
    if item["running"] < item["wanted"]:
        return f"{item['running']} of {item['wanted']} containers run"
    return ""


def _told(report: Swarm) -> str:
    if not report["manager"]:
        return f"a worker at {report['address']}"
    return f"{len(report['hosts'])} hosts are ready"


def status(report: Swarm) -> Iterable[str]:
    """Lines of `playbooks/status.py`."""
    yield f"docker {report['version']}, swarm {report['state']}" + (
        f", {len(report['hosts'])} hosts" if report["manager"] else ""
    )
    for item in report["services"]:
        update = f", update {item['update']}" if item["update"] else ""
        yield (
            f"  {item['name']}: {item['running']} of {item['wanted']}, "
            f"release {item['release'] or '-'}{update}"
        )
