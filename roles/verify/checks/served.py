"""Check of files that nginx serves itself."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.urls import kind_of
from groundcrew.results.result import Check, judge, not_applicable
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.checks.headers import header_problems
from groundcrew.roles.verify.checks.maintenance import REASON
from groundcrew.roles.verify.expected import headers_on, restricted
from groundcrew.roles.verify.seen import SitesSeen


def check(seen: SitesSeen) -> Iterator[Check]:
    """The front page is not cached by browsers, missing files give 404, and all have the site's
    headers."""
    for name, app in seen.expected.apps.items():
        for path, answer in seen.sites[name].files.items():
            kind = kind_of(app, path)
            title = f"{name}: {TITLES[kind]}"
            if seen.shut_out(name, answer):
                yield not_applicable(title, REASON)
            elif restricted(app, path):
                yield not_applicable(title, f"{answer.status}: not for everybody")
            else:
                wanted = headers_on(seen.expected, name, path)
                if kind == "media":
                    # Uploads have a stricter policy than the site.
                    wanted.pop("Content-Security-Policy", None)
                problems = [*header_problems(wanted, answer), *promises(app, kind, answer)]
                yield judge(title, problems, f"{answer.status}, all {len(wanted)} headers")


TITLES = {"page": "front page", "asset": "missing asset", "media": "missing upload"}


def promises(app: AppSettings, kind: str, answer: Answer) -> list[str]:
    """Problems with status and caching of an answer."""
    if answer.error:
        return []
    if kind != "page":
        return [] if answer.status == 404 else [f"status {answer.status} instead of 404"]
    problems = [] if answer.status == 200 else [f"status {answer.status} instead of 200"]
    rules = app.nginx.locations
    kept = "no-store" not in (answer.value("Cache-Control") or "")
    if kept and not any("Cache-Control" in rule.headers for rule in rules.values()):
        problems.append("browsers may keep it: Cache-Control has no no-store")
    return problems
