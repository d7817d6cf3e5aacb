"""The checks of applications: functions from what was seen to results, one per concern. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from groundcrew.results.result import Check
from groundcrew.roles.verify.checks import (
    compression,
    headers,
    https,
    leftovers,
    maintenance,
    names,
    pages,
    processes,
    redirects,
    reuse,
    sandbox,
    served,
    units,
)
from groundcrew.roles.verify.seen import SitesSeen

CHECKS: Mapping[str, Callable[[SitesSeen], Iterator[Check]]] = {
    "units": units.check,
    "workers and timers": units.followers,
    "no root process": processes.check,
    "sockets": sandbox.check_socket,
    "sandbox": sandbox.check,
    "leftovers": leftovers.check,
    "stopped": maintenance.check_stopped,
    "maintenance": maintenance.check,
    "pages": pages.check,
    "headers": headers.check,
    "https": https.check,
    "redirects": redirects.check,
    "files": served.check,
    "gzip": compression.check,
    "connection reuse": reuse.check,
    "unknown name": names.check,
}
