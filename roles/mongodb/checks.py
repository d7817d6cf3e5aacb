"""What verify and status say about MongoDB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from groundcrew.columns import size
from groundcrew.results.result import Check, judge, warn
from groundcrew.roles.mongodb.report import Server
from groundcrew.roles.mongodb.settings import MongodbSettings
from groundcrew.verify.seen import Seen


def database_server(settings: MongodbSettings, seen: Seen) -> Iterator[Check]:
    """The server answers, asks for logins, and has those of the applications."""
    report: Server = seen.section("mongodb")
    allowed = settings.profile.max_connections - settings.reserved_connections
    problems = list(report["differences"])
    if report["open"]:
        problems.append("authentication is off: anybody who reaches it can read and change all")
    yield judge("mongodb", problems, f"{report['version']}, {_used(report, allowed)}")
    if report["used"] > 0.9 * allowed:
        yield warn("mongodb connections", f"{report['used']} of {allowed} are in use")
    for account in report["rotating"]:
        text = f"the rotation of {account}'s password has not ended: run it again"
        yield warn("mongodb rotation", text)


def status(settings: MongodbSettings, report: Server) -> Iterable[str]:
    """Lines of `playbooks/status.py`."""
    cache = ""
    if report["cache"] is not None and report["cache_allowed"]:
        cache = f"cache {size(report['cache'])} of {size(report['cache_allowed'])}, "
    yield (
        f"mongodb {report['version']}: {_used(report, settings.profile.max_connections)}, "
        f"{cache}memory {size(report['memory'])}"
    )
    for name, bytes_ in sorted(report["databases"].items()):
        unbound = ", needed by no application" if name in report["unbound"] else ""
        yield f"  {name}: {size(bytes_)}{unbound}"


def _used(report: Server, allowed: int) -> str:
    return f"{report['used']} of {allowed} connections"
