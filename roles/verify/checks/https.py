"""Check of HTTPS: certificate, HTTP/2, and the redirect from plain HTTP."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.certificates.material import covers
from groundcrew.manifest.model import AppSettings
from groundcrew.results.result import Check, judge
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.certificate import Shown
from groundcrew.roles.verify.expected import host_header
from groundcrew.roles.verify.seen import SitesSeen


def check(seen: SitesSeen) -> Iterator[Check]:
    """Checks sites with HTTPS. Their headers are checked with those of all sites."""
    for name, app in seen.expected.apps.items():
        site = seen.sites[name]
        if site.certificate is not None:
            shown = site.certificate
            yield judge(
                f"{name}: certificate",
                certificate_problems(app, shown, seen.settings.min_certificate_days),
                f"{shown.issuer}, {shown.days:.0f} days left, {shown.protocol}, HTTP/2"
                + ("" if seen.expected.roots[name].known else "; its root is not judged"),
            )
        if site.plain is not None:
            yield judge(
                f"{name}: redirect to HTTPS",
                redirect_problems(app, site.plain),
                f"{site.plain.status} to {site.plain.value('Location')}",
            )


def certificate_problems(app: AppSettings, shown: Shown, min_days: int) -> list[str]:
    """Problems that browsers report, or will soon."""
    if shown.error:
        return [shown.error]
    problems = [f"not for {domain}" for domain in app.names if not covers(shown.names, domain)]
    if shown.own_issuer and app.tls and app.tls.certificate.type == "acme":
        problems.append("it is the self-signed placeholder: none was issued yet")
    elif shown.distrust:
        problems.append(f"not trusted: {shown.distrust}")
    if shown.days < min_days:
        problems.append(f"{shown.days:.1f} days left (verify.min_certificate_days: {min_days})")
    if not shown.http2:
        problems.append("no HTTP/2")
    return problems


def redirect_problems(app: AppSettings, answer: Answer) -> list[str]:
    """Problems of the redirect from plain HTTP to the same site."""
    if answer.error:
        return [answer.error]
    wanted = f"https://{host_header(app)}"
    location = answer.value("Location") or ""
    if answer.status != 308 or not location.startswith(wanted):
        return [f"{answer.summary}, Location {location or 'missing'}, expected 308 to {wanted}"]
    return []
