"""Check of the pages that the manifest promises."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.manifest.check import Check as Promise
from groundcrew.manifest.model import AppSettings
from groundcrew.results.result import Check, judge, not_applicable
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.checks.maintenance import REASON
from groundcrew.roles.verify.expected import restricted
from groundcrew.roles.verify.seen import SitesSeen

REFUSED = (401, 403)


def check(seen: SitesSeen) -> Iterator[Check]:
    """The health path and the manifest's checks answer with the right status, text and headers."""
    for name, app in seen.expected.apps.items():
        health = Promise(path=app.health.path, status=app.health.status)
        for promise in (health, *app.checks):
            answer = seen.sites[name].pages[promise.path]
            title = f"{name}: GET {promise.path}"
            # Maintenance covers a health path only if that is the front page.
            if seen.shut_out(name, answer) and promise.path != health_path(app):
                yield not_applicable(title, REASON)
                continue
            if answer.status in REFUSED and restricted(app, promise.path):
                yield not_applicable(title, f"{answer.status}: not for everybody")
                continue
            yield judge(
                title,
                page_problems(promise, answer),
                f"{answer.status}, {len(answer.body)} bytes",
            )


def health_path(app: AppSettings) -> str | None:
    """The path that answers during maintenance too; None if it is the front page."""
    return None if app.health.path.partition("?")[0] == "/" else app.health.path


def page_problems(promise: Promise, answer: Answer) -> list[str]:
    """Differences between the answer and the promise."""
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
