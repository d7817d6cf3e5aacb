"""What verify and status say about MariaDB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from groundcrew.columns import size
from groundcrew.results.result import Check, judge, warn
from groundcrew.roles.mariadb.report import Server
from groundcrew.roles.mariadb.settings import MariadbSettings
from groundcrew.verify.seen import Seen


def database_server(settings: MariadbSettings, seen: Seen) -> Iterator[Check]:
    """The server answers, and has the databases and logins of the applications."""
    report: Server = seen.section("mariadb")
    allowed = settings.profile.max_connections - settings.reserved_connections
    detail = f"{report['version']}, {report['used']} of {allowed} connections"
    yield judge("mariadb", list(report["differences"]), detail)
    if report["used"] > 0.9 * allowed:
        yield warn("mariadb connections", f"{report['used']} of {allowed} are in use")
    for account in report["rotating"]:
        text = f"the rotation of {account}'s password has not ended: run it again"
        yield warn("mariadb rotation", text)


def status(report: Server) -> Iterable[str]:
    """Lines of `playbooks/status.py`."""
    rate = f"{report['hit_rate']} %" if report["hit_rate"] is not None else "?"
    yield (
        f"mariadb {report['version']}: {report['used']} of {report['allowed']} connections, "
        f"hit rate {rate}, {report['slow']} slow queries, memory {size(report['memory'])}"
    )
    for name, database in sorted(report["databases"].items()):
        unbound = ", needed by no application" if name in report["unbound"] else ""
        yield f"  {name}: {size(database['size'])}, {database['used']} connections{unbound}"
