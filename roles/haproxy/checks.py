"""What verify and status say about the balancer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial

from groundcrew.balancing import Balanced
from groundcrew.columns import columns
from groundcrew.results.result import Check, judge, warn
from groundcrew.roles.haproxy.builders import backend_name
from groundcrew.roles.haproxy.report import Balancer, Server
from groundcrew.verify.seen import Seen


def balancer(balanced: Sequence[Balanced], seen: Seen) -> Iterator[Check]:
    """Every host of every application is there, healthy, and gets its share of the requests."""
    report: Balancer = seen.section("haproxy")
    problems = [] if report["loaded"] else ["it runs with another configuration than its file"]
    yield judge("balancer", problems, f"HAProxy {report['version']}")
    for item in balanced:
        known = {
            server["server"]: server
            for server in report["servers"]
            if server["backend"] == backend_name(item.app)
        }
        wanted = [server.name for server in item.servers if not server.idle]
        idle = {server.name for server in item.servers if server.idle}
        problems = [text for name in wanted if (text := problem(name, known.get(name)))]
        problems += [
            f"{name} is no host of this application"
            for name in sorted(known.keys() - idle - set(wanted))
        ]
        if error := report.get("errors", {}).get(backend_name(item.app)):
            problems.append(f"a request from the balancer itself failed: {error}")
        yield judge(
            f"{item.app}: hosts", problems, f"{', '.join(wanted)}: all up, all get requests"
        )
        if len(wanted) > 1 and (keys := sqlite(item)):
            yield warn(
                f"{item.app}: database",
                f"{', '.join(wanted)} each have a SQLite database of their own ({', '.join(keys)}),"
                " so visitors find other data on each: use a database on a host of its own",
            )


def sqlite(item: Balanced) -> list[str]:
    """The variables of an application that name a SQLite database."""
    env = item.settings.env
    return sorted(key for key, value in env.items() if re.match(r"sqlite[+\w]*:", str(value)))


def problem(name: str, server: Server | None) -> str | None:
    """Why a host gets no requests; None if it gets some."""
    if server is None:
        return f"{name} is missing: the balancer does not know it"
    status = server["status"]
    if not status.startswith("UP"):
        return f"{name} gets no requests: {status}, {server['check']}"
    if server["weight"] == 0:
        return f"{name} gets no requests: its weight is 0"
    if server.get("more") == 0:
        return f"{name} is up and gets no requests"
    return None


def status_of(balanced: Sequence[Balanced]) -> partial[Iterator[str]]:
    """The function that makes lines of `playbooks/status.py`."""
    return partial(status, balanced)


def status(balanced: Sequence[Balanced], report: Balancer) -> Iterator[str]:
    """The state of all hosts."""
    yield f"balancer: HAProxy {report['version']}, {report['connections']} connections"
    rows = [("APPLICATION", "HOST", "STATE", "FOR", "IN PROGRESS", "REQUESTS", "LAST CHECK")]
    for item in report["servers"]:
        rows.append(
            (
                item["backend"][len("app-") :],
                item["server"],
                item["status"],
                f"{item['since']} s",
                str(item["current"]),
                str(item["requests"]),
                item["check"],
            )
        )
    known = {(item["backend"], item["server"]) for item in report["servers"]}
    rows += [
        (item.app, server.name, "missing", "-", "-", "-", "-")
        for item in balanced
        for server in item.servers
        if (backend_name(item.app), server.name) not in known
    ]
    yield from columns(rows)
