"""The checks: pure functions from what was seen to results, one concern each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from groundcrew.results.result import Check, NotCheckedError, fail
from roles.verify.checks import (
    apparmor,
    compression,
    counters,
    firewall,
    headers,
    https,
    leftovers,
    listening,
    logs,
    maintenance,
    names,
    pages,
    privileges,
    processes,
    redirects,
    reuse,
    sandbox,
    served,
    ssh,
    units,
    upkeep,
)
from roles.verify.seen import Seen

CHECKS: Mapping[str, Callable[[Seen], Iterator[Check]]] = {
    "units": units.check,
    "workers and timers": units.followers,
    "no root process": processes.check,
    "sockets": sandbox.check_socket,
    "sandbox": sandbox.check,
    "leftovers": leftovers.check,
    "maintenance": maintenance.check,
    "pages": pages.check,
    "headers": headers.check,
    "https": https.check,
    "redirects": redirects.check,
    "files": served.check,
    "gzip": compression.check,
    "connection reuse": reuse.check,
    "unknown name": names.check,
    "nginx: counters": counters.check,
    "listening sockets": listening.check,
    "firewall": firewall.check,
    "ssh policy": ssh.check,
    "sudo policy": privileges.check,
    "logrotate dry run": logs.check,
    "upkeep": upkeep.check,
    "apparmor": apparmor.check,
}


def run_checks(seen: Seen) -> list[Check]:
    """All results in order. What could not be looked at is a failure, never left out."""
    results: list[Check] = []
    for title, check in CHECKS.items():
        try:
            for result in check(seen):
                results.append(result)
        except NotCheckedError as error:
            results.append(fail(title, f"not checked: {error}"))
    return results
