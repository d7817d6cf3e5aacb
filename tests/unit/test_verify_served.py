"""Verify of sites with a front end, uploads, rules for paths and prefixes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from groundcrew.results.result import Check, Status
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.expected import headers_on
from groundcrew.roles.verify.outside import file_paths
from groundcrew.roles.verify.request import app_request
from tests.unit.test_verify_checks import Host, answer, app, failures, good, page, result

FRONTEND = {"frontend": {"api": ["/api/", "/health"]}, "media": {}}
FRESH = {"Cache_Control": "no-cache, no-store, must-revalidate"}


def seen(files: dict[str, Answer], **values: Any) -> Host:
    host = good()
    expected = replace(host.expected, apps={"shop": app(**values)})
    sites = {"shop": replace(host.sites["shop"], files=files)}
    return replace(host, expected=expected, sites=sites)


def files(**changes: Answer) -> dict[str, Answer]:
    return {
        "/": changes.get("page", page(**FRESH)),
        "/assets/x.js": changes.get("asset", answer(404)),
        "/media/x.svg": changes.get("media", answer(404)),
    }


def test_each_kind_of_file_is_asked_for_once() -> None:
    assert file_paths(app(**FRONTEND), "x") == list(files())
    assert file_paths(app(), "x") == []
    names = ("front page", "missing asset", "missing upload")
    for name in names:
        assert result(seen(files(), **FRONTEND), f"shop: {name}").status is Status.OK


@pytest.mark.parametrize(
    ("changes", "name", "detail"),
    [
        ({"page": page()}, "front page", "browsers may keep it"),
        ({"page": answer(404)}, "front page", "status 404 instead of 200"),
        ({"asset": page()}, "missing asset", "status 200 instead of 404"),
        ({"media": Answer(404)}, "missing upload", "no X-Frame-Options"),
    ],
)
def test_broken_promises(changes: dict[str, Answer], name: str, detail: str) -> None:
    assert detail in failures(seen(files(**changes), **FRONTEND))[f"shop: {name}"]


def test_rules_say_what_headers_are_expected() -> None:
    rules = {"/health": {"headers": {"X-Frame-Options": "SAMEORIGIN", "X-New": "1"}}}
    host = seen({}, nginx={"locations": rules})
    wanted = headers_on(host.expected, "shop", "/health")
    assert (wanted["X-Frame-Options"], wanted["X-New"]) == ("SAMEORIGIN", "1")
    assert headers_on(host.expected, "shop", "/")["X-Frame-Options"] == "DENY"
    assert "no X-New" in failures(host)["shop: headers on page"]


def test_a_path_that_is_not_for_everybody() -> None:
    rules = {"= /health": {"allow": ["192.0.2.0/24"]}}
    host = seen({}, nginx={"locations": rules})
    pages = {**host.sites["shop"].pages, "/health": answer(403)}
    refused = replace(host, sites={"shop": replace(host.sites["shop"], pages=pages)})
    assert health(refused).status is Status.NOT_APPLICABLE
    assert health(host).status is Status.OK
    # Where no rule says so, it is a failure.
    open_to_all = replace(refused, expected=good().expected)
    assert health(open_to_all).status is Status.FAIL


def health(host: Host) -> Check:
    return result(host, "shop: GET /health")


def test_below_a_prefix_everything_is_asked_for_there() -> None:
    assert app_request("shop", app(prefix="/shop"))["path"] == "/shop/health"


def test_requests_refused_without_a_path_carry_the_headers_of_the_server() -> None:
    host = good()
    headers = {"shop": {**host.expected.security_headers["shop"], "X-Own": "1"}}
    both = {**headers, "main": host.expected.security_headers["shop"]}
    expected = replace(host.expected, security_headers=both, owners={"shop": "main"})
    problems = failures(replace(host, expected=expected))
    assert "shop: headers on page" in problems
    assert "shop: headers on bad request" not in problems


def test_an_application_may_have_its_own_where_the_set_yields() -> None:
    host = good()
    own = answer(X_Frame_Options="SAMEORIGIN")
    site = replace(host.sites["shop"], pages={**host.sites["shop"].pages, "/health": own})
    host = replace(host, sites={"shop": site})
    assert "shop: headers on page" in failures(host)
    yielding = {"shop": frozenset({"X-Frame-Options"})}
    host = replace(host, expected=replace(host.expected, yielding=yielding))
    assert "shop: headers on page" not in failures(host)
