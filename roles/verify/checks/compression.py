"""Check of compression."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from groundcrew.results.result import Check, fail, not_applicable, ok
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.checks.maintenance import REASON
from groundcrew.roles.verify.expected import Gzip
from groundcrew.roles.verify.seen import SitesSeen


def check(seen: SitesSeen) -> Iterator[Check]:
    """Each application compresses a page, if it has one that is long enough."""
    for name in seen.expected.apps:
        title = f"{name}: gzip"
        if seen.expected.gzip is None:
            yield not_applicable(title, "nginx.gzip is off")
        else:
            pages = seen.sites[name].pages.values()
            answers = [answer for answer in pages if not seen.shut_out(name, answer)]
            if answers:
                yield judge_pages(title, seen.expected.gzip, answers)
            else:
                yield not_applicable(title, REASON)


def judge_pages(title: str, gzip: Gzip, answers: Iterable[Answer]) -> Check:
    """The result for the pages of one site."""
    longest = 0
    for answer in answers:
        if answer.error or not compressible(gzip, answer):
            continue
        longest = max(longest, len(answer.body))
        encoding = answer.value("Content-Encoding")
        if encoding:
            vary = answer.value("Vary") or ""
            if "accept-encoding" not in vary.lower():
                return fail(title, f"{encoding}, but caches are not told (no Vary)")
            return ok(title, f"{encoding}, {len(answer.body)} bytes of text")
        if len(answer.body) >= gzip.min_length:
            return fail(title, f"{len(answer.body)} bytes of text came uncompressed")
    return not_applicable(
        title, f"no page has {gzip.min_length} bytes of text, the longest {longest}"
    )


def compressible(gzip: Gzip, answer: Answer) -> bool:
    """Whether nginx compresses the media type of the answer."""
    media_type = (answer.value("Content-Type") or "").split(";")[0].strip().lower()
    return media_type == "text/html" or media_type in gzip.types
