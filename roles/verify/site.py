"""Checks of any URL, from the operator's machine only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from urllib.parse import urljoin, urlsplit

from groundcrew.results.result import Check, fail, judge, not_applicable, ok
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.checks.compression import judge_pages
from groundcrew.roles.verify.checks.headers import revealing
from groundcrew.roles.verify.client import get
from groundcrew.roles.verify.expected import Gzip
from groundcrew.roles.verify.settings import VerifySettings

REDIRECTS = range(300, 400)
MAX_REDIRECTS = 10


def check_url(
    settings: VerifySettings, url: str, security_headers: Iterable[str], gzip: Gzip
) -> list[Check]:
    """Checks status, TLS, redirects, presence of security headers, compression and the Server
    header."""
    chain = follow(settings, url)
    final, answer = list(chain.items())[-1]
    results = [reachable(final, answer), redirects(url, chain)]
    if answer.error:
        return results
    return [
        *results,
        transport(final),
        headers(security_headers, final, answer),
        judge_pages("gzip", gzip, [answer]),
        judge("server", revealing(answer), f'Server: "{answer.value("Server") or ""}"'),
    ]


def follow(settings: VerifySettings, url: str) -> dict[str, Answer]:
    """URL -> answer, from `url` to the end of its redirects."""
    chain: dict[str, Answer] = {}
    while url not in chain and len(chain) <= MAX_REDIRECTS:
        chain[url] = answer = get(settings, url)
        location = answer.value("Location")
        if answer.status not in REDIRECTS or not location:
            break
        url = urljoin(url, location)
    return chain


def reachable(url: str, answer: Answer) -> Check:
    """The last URL answers with a 2xx status. Certificates are verified on the way."""
    if answer.error:
        return fail("status", f"{url}: {answer.error}")
    return judge(
        "status",
        [] if answer.status in range(200, 300) else [f"{url}: {answer.status}"],
        f"{url}: {answer.status}, {len(answer.body)} bytes",
    )


def redirects(url: str, chain: Mapping[str, Answer]) -> Check:
    """Redirects end, and never lead from HTTPS to HTTP."""
    urls = list(chain)
    if chain[urls[-1]].status in REDIRECTS:
        return fail("redirect", f"ends nowhere: {' -> '.join(urls)}")
    if len(urls) == 1:
        return not_applicable("redirect", f"{url} does not redirect")
    schemes = [urlsplit(item).scheme for item in urls]
    if ("https", "http") in pairwise(schemes):
        return fail("redirect", f"from HTTPS to HTTP: {' -> '.join(urls)}")
    return ok("redirect", " -> ".join(urls))


def transport(url: str) -> Check:
    """The answer came over TLS with a verified certificate."""
    if urlsplit(url).scheme == "https":
        return ok("tls", "certificate is valid for the name")
    return not_applicable("tls", "plain HTTP")


def headers(names: Iterable[str], url: str, answer: Answer) -> Check:
    """Every security header is present; the values are not checked."""
    wanted = list(names)
    if urlsplit(url).scheme == "https":
        wanted.append("Strict-Transport-Security")
    problems = [f"no {name}" for name in wanted if name not in answer.headers]
    return judge("security headers", problems, f"all {len(wanted)}")
