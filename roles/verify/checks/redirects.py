"""Names that lead to another one."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from groundcrew.apps.model import AppSettings
from groundcrew.results.result import Check, judge
from roles.verify.answer import Answer
from roles.verify.outside import LED
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """Each leads to the name that the manifest says, with path and query."""
    for name, app in seen.expected.apps.items():
        for domain, answer in seen.sites[name].redirects.items():
            yield judge(
                f"{name}: {domain}",
                problems(app, domain, answer),
                f"{answer.status} to {answer.value('Location')}",
            )


def problems(app: AppSettings, domain: str, answer: Answer) -> list[str]:
    """Why visitors would not get there."""
    if answer.error:
        return [answer.error]
    location = answer.value("Location") or ""
    led = urlsplit(location)
    found = (led.scheme, led.hostname, f"{led.path}?{led.query}")
    wanted = (app.scheme, app.redirects[domain], LED)
    if answer.status == 308 and found == wanted:
        return []
    to = f"{app.scheme}://{app.redirects[domain]}{LED}"
    return [f"{answer.summary}, Location {location or 'missing'}, wanted 308 to {to}"]
