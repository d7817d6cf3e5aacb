"""Check that requests for unknown host names are refused."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, fail, not_applicable, ok
from groundcrew.roles.verify.outside import UNKNOWN_HOST
from groundcrew.roles.verify.seen import SitesSeen


def check(seen: SitesSeen) -> Iterator[Check]:
    """nginx accepts the connection and closes it without an answer."""
    for name, app in seen.expected.apps.items():
        title = f"{name}: unknown name"
        answer = seen.sites[name].unknown
        if not app.domains:
            yield not_applicable(title, f"it answers to every name on port {app.port}")
        elif name in seen.expected.nameless:
            yield not_applicable(title, "nginx.balancer_check answers / under every name")
        elif answer.closed:
            yield ok(title, f"{UNKNOWN_HOST} gets no answer")
        else:
            yield fail(title, f"{UNKNOWN_HOST}: {answer.summary}")
