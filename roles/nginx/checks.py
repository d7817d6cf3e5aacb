"""Check of nginx's counters."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, fail, ok
from groundcrew.roles.nginx.report import Counters
from groundcrew.verify.seen import Seen


def counters(seen: Seen) -> Iterator[Check]:
    """nginx has dropped no connection for lack of `worker_connections`."""
    section: Counters = seen.section("nginx_status")
    dropped = section["accepted"] - section["handled"]
    if dropped:
        yield fail("nginx: counters", f"{dropped} connections dropped: too few worker_connections")
    else:
        yield ok("nginx: counters", f"{section['requests']} requests, no connection dropped")
