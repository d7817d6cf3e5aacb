"""Check that nginx reuses its connections to applications."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, fail, not_applicable, ok
from groundcrew.roles.verify.seen import SitesSeen


def check(seen: SitesSeen) -> Iterator[Check]:
    """In a series of requests, at least one connection to the application stays open throughout,
    and fewer are opened than requests made."""
    for name, app in seen.expected.apps.items():
        title = f"{name}: connection reuse"
        if not app.server.keeps_connections:
            yield not_applicable(title, "its server closes each connection")
            continue
        report = seen.section("reuse")[name]
        if "error" in report:
            yield fail(title, report["error"])
            continue
        requests = seen.settings.reuse_requests
        opened = report["new"]
        detail = f"{requests} requests, {opened} connections opened after the first"
        reused = report["kept"] > 0 and opened < requests - 1
        yield (ok if reused else fail)(title, f"{detail}, {report['kept']} kept throughout")
