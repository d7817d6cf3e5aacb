"""Check of host names that redirect to another one."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from groundcrew.manifest.model import AppSettings
from groundcrew.results.result import Check, judge
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.outside import LED
from groundcrew.roles.verify.seen import SitesSeen


def check(seen: SitesSeen) -> Iterator[Check]:
    """Each redirects to the host name in the manifest and keeps path and query."""
    for name, app in seen.expected.apps.items():
        for domain, answer in seen.sites[name].redirects.items():
            yield judge(
                f"{name}: {domain}",
                problems(app, domain, answer),
                f"{answer.status} to {answer.value('Location')}",
            )


def problems(app: AppSettings, domain: str, answer: Answer) -> list[str]:
    """Problems of a redirect."""
    if answer.error:
        return [answer.error]
    location = answer.value("Location") or ""
    led = urlsplit(location)
    target = (led.scheme, led.hostname, f"{led.path}?{led.query}")
    wanted = (app.scheme, app.redirects[domain], LED)
    if answer.status == 308 and target == wanted:
        return []
    to = f"{app.scheme}://{app.redirects[domain]}{LED}"
    return [f"{answer.summary}, Location {location or 'missing'}, expected 308 to {to}"]
