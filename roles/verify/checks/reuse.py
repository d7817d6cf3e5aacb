"""nginx keeps its connections to applications."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, fail, not_applicable, ok
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """Over a row of requests, a connection to the application outlives them all, and fewer are
    opened than requests are made."""
    for name, app in seen.expected.apps.items():
        title = f"{name}: connection reuse"
        if not app.server.keeps_connections:
            yield not_applicable(title, "its server closes each connection")
            continue
        found = seen.section("reuse")[name]
        if "error" in found:
            yield fail(title, found["error"])
            continue
        requests = seen.settings.reuse_requests
        opened = found["new"]
        detail = f"{requests} requests, {opened} connections opened after the first"
        reused = found["kept"] > 0 and opened < requests - 1
        yield (ok if reused else fail)(title, f"{detail}, {found['kept']} kept throughout")
