"""Check of security headers on every status."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from groundcrew.results.result import Check, judge, not_applicable
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.checks.maintenance import REASON
from groundcrew.roles.verify.expected import headers_on, own_headers
from groundcrew.roles.verify.outside import NOWHERE
from groundcrew.roles.verify.seen import SitesSeen

REVEALING = ("X-Powered-By",)


def check(seen: SitesSeen) -> Iterator[Check]:
    """The headers are right on a page, on a missing page, and on a request that nginx refuses."""
    for name, app in seen.expected.apps.items():
        site = seen.sites[name]
        refused = seen.expected.security_headers[seen.expected.owners[name]]
        for answer, kind, wanted, own in (
            (site.pages[app.health.path], "page", *on(seen, name, app.health.path)),
            (site.missing, "missing page", *on(seen, name, NOWHERE)),
            (site.malformed, "bad request", refused, set[str]()),
        ):
            title = f"{name}: headers on {kind}"
            if answer is site.malformed and name in seen.expected.inside:
                yield not_applicable(title, "the balancer refuses it")
                continue
            if seen.shut_out(name, answer):
                yield not_applicable(title, REASON)
                continue
            yield judge(
                title,
                header_problems(wanted, answer, own),
                f"all {len(wanted)} on status {answer.status}",
            )


def on(seen: SitesSeen, name: str, path: str) -> tuple[dict[str, str], set[str]]:
    """The headers of an application on a path, and the names of those that it may set itself."""
    return headers_on(seen.expected, name, path), own_headers(seen.expected, name, path)


def header_problems(
    wanted: Mapping[str, str], answer: Answer, own: Collection[str] = ()
) -> list[str]:
    """Headers that are missing, wrong, repeated, or reveal software."""
    if answer.error:
        return [answer.error]
    problems = []
    for name, value in wanted.items():
        values = answer.headers.get(name, [])
        if not values:
            problems.append(f"no {name}")
        elif name in own:
            continue
        elif len(values) > 1:
            problems.append(f"{name} comes {len(values)} times")
        elif values[0] != value:
            problems.append(f'{name} is "{values[0]}"')
    return problems + revealing(answer)


def revealing(answer: Answer) -> list[str]:
    """Headers that reveal software and its version."""
    problems = [f"{name} is sent" for name in REVEALING if name in answer.headers]
    server = answer.value("Server") or ""
    if any(character.isdigit() for character in server):
        problems.append(f'Server names a version: "{server}"')
    return problems
