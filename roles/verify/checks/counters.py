"""nginx has room for its connections."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, fail, ok
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """Where nginx serves, it never dropped a connection for want of room."""
    if not seen.expected.apps:
        return
    found = seen.section("nginx_status")
    dropped = found["accepted"] - found["handled"]
    if dropped:
        yield fail("nginx: counters", f"{dropped} connections dropped: too few worker_connections")
    else:
        yield ok("nginx: counters", f"{found['requests']} requests, no connection dropped")
