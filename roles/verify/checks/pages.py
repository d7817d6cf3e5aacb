"""Pages come through nginx as the manifest says."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.apps.model import Check as Promise
from roles.verify.answer import Answer
from roles.verify.result import Check, judge
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """Status, text and headers of the health path and of the manifest's checks."""
    for name, app in seen.expected.apps.items():
        health = Promise(path=app.health.path, status=app.health.status)
        for promise in (health, *app.checks):
            answer = seen.sites[name].pages[promise.path]
            yield judge(
                f"{name}: GET {promise.path}",
                page_problems(promise, answer),
                f"{answer.status}, {len(answer.body)} bytes",
            )


def page_problems(promise: Promise, answer: Answer) -> list[str]:
    """How an answer differs from what was promised."""
    if answer.error:
        return [answer.error]
    problems = []
    if answer.status != promise.status:
        problems.append(f"status {answer.status} instead of {promise.status}")
    if promise.contains is not None and promise.contains.encode() not in answer.body:
        problems.append(f'the body does not contain "{promise.contains}"')
    for name, value in promise.headers.items():
        if answer.value(name) != value:
            problems.append(f'{name} is "{answer.value(name) or ""}" instead of "{value}"')
    return problems
