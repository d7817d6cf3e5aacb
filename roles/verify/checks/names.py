"""Requests for names that nobody has are refused."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, fail, not_applicable, ok
from roles.verify.outside import UNKNOWN_HOST
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """nginx takes the connection and closes it without an answer."""
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
