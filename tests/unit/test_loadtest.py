"""Load tests: what is sent where, and when a test has passed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from groundcrew.commands import loadtest
from groundcrew.loadtest import judge
from groundcrew.loadtest.plan import (
    PlanError,
    Target,
    chosen,
    names,
    plan,
    plan_for_url,
    target,
)
from groundcrew.loadtest.run import LOCK
from groundcrew.manifest.load import Load
from groundcrew.manifest.model import AppSettings
from groundcrew.results.result import Status


def app(**more: Any) -> AppSettings:
    return AppSettings.model_validate(
        {"source": {"directory": "shop"}, "entry": "shop:app", "domains": ["shop.test"], **more}
    )


def shop(**more: Any) -> Target:
    return target("shop", app(**more), "web1", "192.0.2.1")


def result(**more: Any) -> dict[str, Any]:
    total = {"requests": 1000, "failed": 0, "p95": 0.2, "rate": 150.0}
    return {
        "total": {**total, **{key: more.pop(key) for key in [*more] if key in total}},
        "login": [],
        "failures": [],
        **more,
    }


def judged(load: Load | None = None, **more: Any) -> dict[str, Status]:
    return {check.name: check.status for check in judge.checks(result(**more), load or Load())}


def test_an_application_is_asked_at_its_host_under_its_own_name() -> None:
    told = plan(shop(health={"path": "/health"}), Load(), insecure=False, environment={})
    assert (told["url"], told["name"], told["address"]) == (
        "http://shop.test",
        "shop.test",
        "192.0.2.1",
    )
    assert [step["path"] for step in told["steps"]] == ["/health"]


def test_ports_prefixes_and_https_are_in_the_address() -> None:
    tls = {"certificate": {"type": "self-signed"}}
    https = shop(tls=tls, prefix="/in/here", health={"path": "/health"})
    told = plan(https, Load(), insecure=False, environment={})
    assert told["url"] == "https://shop.test"
    assert told["steps"][0]["path"] == "/in/here/health"
    assert shop(port=8080)["url"] == "http://shop.test:8080"
    assert shop(domains=[])["url"] == "http://192.0.2.1"
    bare = target("shop", app(domains=[]), "web1", "2001:db8::1")
    assert bare["url"] == "http://[2001:db8::1]"


def test_variables_of_the_operator_are_filled_in_and_never_named_in_the_report() -> None:
    login = {"path": "/login", "method": "POST", "form": {"password": "${env:PASSWORD}"}}
    load = Load.model_validate({"login": [login]})
    told = plan(shop(), load, insecure=False, environment={"PASSWORD": "s3cret"})
    assert told["login"][0]["form"] == {"password": "s3cret"}
    assert told["login"][0]["name"] == "POST /login"
    assert "s3cret" not in str(loadtest.shown(told))


def test_a_variable_that_is_not_set() -> None:
    load = Load.model_validate({"steps": [{"path": "/", "headers": {"Token": "${env:TOKEN}"}}]})
    with pytest.raises(PlanError, match="/: the variable TOKEN is not set"):
        plan(shop(), load, insecure=False, environment={})


@pytest.mark.parametrize("text", ["${ENV:X}", "${env:}", "${User}", "${a.b}"])
def test_an_unknown_placeholder(text: str) -> None:
    with pytest.raises(ValidationError, match=r"unknown placeholder"):
        Load.model_validate({"steps": [{"path": "/", "body": text}]})


def test_an_application_that_the_inventory_does_not_have() -> None:
    with pytest.raises(PlanError, match=r'no application "shp"; did you mean "shop"\?'):
        chosen([shop()], "shp", None)
    with pytest.raises(PlanError, match="--host: shop is not on web2, but on web1"):
        chosen([shop()], "shop", "web2")


def test_a_url_goes_to_the_host_that_has_its_name() -> None:
    known = names([shop()], {"web1": "192.0.2.1"})
    told = plan_for_url("https://shop.test/a?b=c", Load(), insecure=False, known=known)
    assert (told["url"], told["address"]) == ("https://shop.test", "192.0.2.1")
    assert told["steps"][0]["path"] == "/a?b=c"
    assert {"web1", "192.0.2.1", "shop.test"} <= set(known)


def test_a_url_that_is_none() -> None:
    with pytest.raises(PlanError, match="is no URL of a site"):
        plan_for_url("ftp://shop.test/", Load(), insecure=False, known={})


def test_load_goes_to_hosts_of_the_inventory_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"targets": [shop()], "hosts": {"web1": "192.0.2.1"}}
    monkeypatch.setattr(loadtest, "inventory", lambda options: known)
    assert loadtest.main(["https://elsewhere.test/"]) == 2
    told = capsys.readouterr().err
    assert "elsewhere.test is not a host of inventory/prod.py" in told
    assert "--anywhere" in told


def test_an_inventory_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert loadtest.main(["shop", "--inventory", "inventory/none.py"]) == 2
    assert "inventory/none.py: no such inventory (--inventory)" in capsys.readouterr().err


def test_options_take_precedence_over_the_manifest() -> None:
    options = loadtest.parser().parse_args(["shop", "--users", "7", "--ramp-up", "0"])
    settings = loadtest.settings_of({"users": 100, "p95": 0.5}, options)
    assert (settings.users, settings.ramp_up, settings.p95) == (7, 0, 0.5)
    options = loadtest.parser().parse_args(["shop", "--users", "0"])
    with pytest.raises(PlanError, match="--users: "):
        loadtest.settings_of({}, options)


def test_a_test_that_ends_before_all_users_have_begun() -> None:
    options = loadtest.parser().parse_args(["shop", "--duration", "4", "--ramp-up", "5"])
    with pytest.raises(PlanError, match="--duration must be longer than --ramp-up"):
        loadtest.settings_of({}, options)


def test_a_test_that_was_stopped_has_not_passed() -> None:
    assert judged(stopped=True, seconds=5)["test"] is Status.FAIL


def test_all_thresholds_are_met() -> None:
    assert set(judged().values()) == {Status.OK}


@pytest.mark.parametrize(
    ("more", "failed"),
    [
        ({"failed": 6}, "succeeded"),
        ({"p95": 2.1}, "answer time"),
        ({"rate": 99.0}, "requests"),
        ({"requests": 0}, "requests"),
        ({"login": [{"name": "login: POST /", "requests": 50, "failed": 1}]}, "login: POST /"),
        ({"during": {"playbook": "playbooks/x.py", "status": 1, "seconds": 3}}, "meanwhile"),
    ],
)
def test_a_threshold_that_is_missed(more: dict[str, Any], failed: str) -> None:
    statuses = judged(**more)
    assert [name for name, status in statuses.items() if status is Status.FAIL] == [failed]


def test_five_failures_in_a_thousand_are_within_the_default() -> None:
    assert judged(failed=5)["succeeded"] is Status.OK


def test_without_a_wanted_rate_any_will_do() -> None:
    assert "requests" not in judged(Load(rate=0), rate=0.5)


def test_limits_of_nginx_are_explained() -> None:
    failures = [{"name": "GET /", "count": 3, "why": "status 429"}]
    assert "nginx.limits.allow" in str(judge.hint(result(failures=failures)))
    assert judge.hint(result()) is None


def test_what_locust_installs_is_pinned() -> None:
    lines = [line for line in LOCK.read_text().splitlines() if "==" in line]
    assert any(line.startswith("locust==") for line in lines)
    assert LOCK.read_text().count("--hash=") >= len(lines)
    assert Path(loadtest.TARGETS).is_file()
