"""Sites with HTTPS show a good certificate, speak HTTP/2, and lead everybody there."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.apps.model import AppSettings
from groundcrew.certificates.material import covers
from groundcrew.results.result import Check, judge
from roles.verify.answer import Answer
from roles.verify.certificate import Shown
from roles.verify.expected import host_header
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """Nothing for sites without; their headers are judged with all others."""
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
    """Why browsers would complain, or soon will."""
    if shown.error:
        return [shown.error]
    problems = [f"not for {domain}" for domain in app.names if not covers(shown.names, domain)]
    if shown.own_issuer and app.tls and app.tls.certificate.type == "acme":
        problems.append("it is only the one to start with: none was issued yet")
    elif shown.distrust:
        problems.append(f"not trusted: {shown.distrust}")
    if shown.days < min_days:
        problems.append(f"{shown.days:.1f} days left (verify.min_certificate_days: {min_days})")
    if not shown.http2:
        problems.append("no HTTP/2")
    return problems


def redirect_problems(app: AppSettings, answer: Answer) -> list[str]:
    """Whether plain HTTP leads to the same site."""
    if answer.error:
        return [answer.error]
    wanted = f"https://{host_header(app)}"
    location = answer.value("Location") or ""
    if answer.status != 308 or not location.startswith(wanted):
        return [f"{answer.summary}, Location {location or 'missing'}, wanted 308 to {wanted}"]
    return []
