"""What verify and status say about PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from groundcrew.bindings.lag import behind, lag
from groundcrew.columns import size
from groundcrew.results.result import Check, judge, warn
from groundcrew.roles.postgresql.report import Server
from groundcrew.roles.postgresql.settings import PostgresqlSettings
from groundcrew.verify.seen import Seen


def database_server(settings: PostgresqlSettings, seen: Seen) -> Iterator[Check]:
    """The server answers, and has the databases and logins of the applications."""
    report: Server = seen.section("postgresql")
    problems = list(report["differences"])
    replica = report.get("replica")
    if replica:
        yield judge("postgresql", problems, f"{report['version']}, a replica of {replica['of']}")
        yield behind("postgresql replication", replica, settings.max_lag)
        return
    allowed = settings.profile.max_connections - settings.reserved_connections
    detail = f"{report['version']}, {report['used']} of {allowed} connections"
    yield judge("postgresql", problems, detail)
    if report["used"] > 0.9 * allowed:
        yield warn("postgresql connections", f"{report['used']} of {allowed} are in use")
    for account in report["rotating"]:
        yield warn(
            "postgresql rotation",
            f"the rotation of {account}'s password has not ended: run it again",
        )
    for item in report["replicas"]:
        yield behind(f"postgresql replica {item['host']}", item, settings.max_lag)


def status(report: Server) -> Iterable[str]:
    """Lines of `playbooks/status.py`."""
    rate = f"{report['hit_rate']} %" if report["hit_rate"] is not None else "?"
    yield (
        f"postgresql {report['version']}: {report['used']} of {report['allowed']} connections, "
        f"hit rate {rate}, {report['slow'] or 0} slow statements, memory {size(report['memory'])}"
    )
    replica = report.get("replica")
    if replica:
        yield f"  replica of {replica['of']}: {lag(replica)}"
        for path in replica["aside"]:
            yield f"  {path}: moved aside, not used"
    for item in report.get("replicas", []):
        yield f"  replica on {item['host']}: {lag(item)}"
    for name, database in sorted((report["databases"] or {}).items()):
        unbound = ", needed by no application" if name in report["unbound"] else ""
        yield f"  {name}: {size(database['size'])}, {database['used']} connections{unbound}"
