from __future__ import annotations

from typing import Any

from requests.structures import CaseInsensitiveDict

from groundcrew.manifest.model import AppSettings
from groundcrew.results.result import Status
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.checks import compression, headers, maintenance, pages
from groundcrew.roles.verify.expected import Expected, Gzip
from groundcrew.roles.verify.outside import Site
from groundcrew.roles.verify.seen import SitesSeen
from groundcrew.roles.verify.settings import VerifySettings
from groundcrew.verify.seen import View

NOTE = '{"operator": "ann@desk", "since": "2026-01-01T00:00:00Z"}'
SHUT = Answer(503, CaseInsensitiveDict({"Retry-After": ["300"]}), b"x" * 2000)
GOOD = Answer(200, CaseInsensitiveDict({"X-Frame-Options": ["DENY"]}), b"ok")
BROKEN = Answer(503, CaseInsensitiveDict(), b"")


def seen(
    front: Answer, healthy: Answer = GOOD, note: str | None = NOTE, **values: Any
) -> SitesSeen:
    settings = {
        "source": {"directory": "src"},
        "entry": "shop:app",
        "domains": ["shop.test"],
        "health": {"path": "/health"},
        "checks": [{"path": "/"}],
    }
    app = AppSettings.model_validate({**settings, **values})
    expected = Expected(
        apps={"shop": app},
        security_headers={"shop": {"X-Frame-Options": "DENY"}},
        yielding={"shop": ()},
        owners={"shop": "shop"},
        gzip=Gzip(1000, ()),
    )
    answers = {"/": front, app.health.path: healthy}
    site = Site(pages=answers, missing=front, malformed=GOOD, unknown=Answer(closed=True))
    report = {"maintenance": {"shop": note}}
    return SitesSeen(
        view=View("192.0.2.1"),
        report=report,
        settings=VerifySettings(),
        expected=expected,
        sites={"shop": site},
    )


def statuses(sites: SitesSeen) -> dict[str, Status]:
    checks = (maintenance.check, pages.check, headers.check, compression.check)
    return {result.name: result.status for check in checks for result in check(sites)}


def test_what_visitors_cannot_see_is_not_judged() -> None:
    judged = statuses(seen(SHUT))
    assert Status.FAIL not in judged.values()
    assert judged["shop: maintenance"] is Status.NOT_APPLICABLE
    assert judged["shop: GET /"] is Status.NOT_APPLICABLE
    assert judged["shop: GET /health"] is Status.OK
    assert judged["shop: headers on page"] is Status.OK
    assert judged["shop: headers on missing page"] is Status.NOT_APPLICABLE
    [shown] = maintenance.check(seen(SHUT))
    assert shown.detail == "on since 2026-01-01T00:00:00Z by ann@desk; visitors get 503"


def test_the_health_path_must_answer_unless_it_is_the_front_page() -> None:
    assert statuses(seen(SHUT, SHUT))["shop: GET /health"] is Status.FAIL
    front = statuses(seen(SHUT, SHUT, health={"path": "/"}))
    assert front["shop: GET /"] is Status.NOT_APPLICABLE
    assert Status.FAIL not in front.values()


def test_maintenance_that_does_not_work_is_a_failure() -> None:
    assert statuses(seen(GOOD))["shop: maintenance"] is Status.FAIL
    let_in = statuses(seen(GOOD, maintenance={"allow": ["192.0.2.9"]}))
    assert let_in["shop: maintenance"] is Status.NOT_APPLICABLE
    assert let_in["shop: GET /"] is Status.OK


def test_a_503_for_another_reason_stays_a_failure() -> None:
    assert statuses(seen(BROKEN))["shop: GET /"] is Status.FAIL
    off = statuses(seen(SHUT, note=None))
    assert off["shop: GET /"] is Status.FAIL
    assert "shop: maintenance" not in off
