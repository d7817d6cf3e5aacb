"""Runs that leave out roles: `--data only=nginx`, `--data skip=backup`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from groundcrew import partial
from groundcrew.contract import Brings, Brought
from groundcrew.results.result import Check, NotCheckedError, Status, fail, ok
from groundcrew.roles import verify
from groundcrew.roles.promises import SITES
from groundcrew.roles.verify.checks import CHECKS
from groundcrew.roles.verify.operations import LISTENING, checks
from groundcrew.verify.runner import run_checks
from tests.unit.checkout import Checkout, Listener
from tests.unit.project import Project


def chosen(project: Project, **run: Any) -> partial.Parts:
    project.data = run
    return project.settings().parts


@pytest.mark.parametrize(
    ("run", "inside", "outside"),
    [
        ({}, {"app", "base", "nginx", "backup", "verify"}, set()),
        ({"only": "nginx, firewall"}, {"nginx", "firewall", "verify"}, {"app", "base", "backup"}),
        ({"only": ["nginx"]}, {"nginx", "verify"}, {"firewall"}),
        ({"skip": "backup"}, {"app", "base", "nginx", "verify"}, {"backup"}),
        ({"only": "nginx,app", "skip": "app,verify"}, {"nginx"}, {"app", "verify", "base"}),
    ],
)
def test_the_roles_of_a_run(
    project: Project, run: dict[str, Any], inside: set[str], outside: set[str]
) -> None:
    project.app()
    parts = chosen(project, **run)
    assert {name for name in inside | outside if name in parts} == inside
    assert outside <= parts.left_out


@pytest.mark.parametrize(
    ("run", "key", "told"),
    [
        ({"only": "ngnix"}, "run.only", 'there is no role "ngnix"; did you mean "nginx"?'),
        ({"skip": "preflight"}, "run.skip", 'there is no role "preflight"'),
        ({"only": "nginx", "skip": "nginx"}, "run.only", "no role is left: all are left out"),
        ({"only": 3}, "run.only", "expected a list, got 3"),
    ],
)
def test_names_that_cannot_be(project: Project, run: dict[str, Any], key: str, told: str) -> None:
    project.app()
    project.data = run
    layer, where, message = project.error()
    assert (layer, where) == ("--data", key)
    assert told in message


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    listener = Listener()
    yield Checkout(tmp_path, listener)
    listener.socket.close()


def test_a_file_that_knows_nothing_of_it_is_refused(checkout: Checkout) -> None:
    report = checkout.refused("playbooks/release.py", "-y", "--data", "skip=backup")
    assert "playbooks/release.py works on all roles: this is for deploy.py" in report
    for file in ("deploy.py", "playbooks/verify.py"):
        checkout.listener.connections = 0
        checkout.run(file, "-y", "--data", "skip=backup")
        assert checkout.listener.connections > 0


def failing(seen: object) -> Iterator[Check]:
    yield ok("one", "good")
    yield fail("two", "bad")
    raise NotCheckedError("no answer")


def test_checks_of_what_is_left_out_warn() -> None:
    roles = {"nginx": Brings(checks={"n": failing}), "redis": Brings(checks={"r": failing})}
    brought = Brought(roles)
    parts = partial.parts(["nginx", "redis"], ["nginx"], [])
    judged = checks(brought, parts, SITES)
    seen: Any = None
    own = run_checks({title: judged[title] for title in ("n", "r")}, seen)
    assert [item.status for item in own] == [
        Status.OK, Status.FAIL, Status.FAIL, Status.OK, Status.WARN, Status.WARN
    ]  # fmt: skip
    assert own[4].detail == "bad (left out of this run: redis)"
    assert own[5].detail == "not checked: no answer (left out of this run: redis)"
    # All roles of sites are part of the run, or they only warn.
    assert all(judged[title] is CHECKS[title] for title in CHECKS)
    without = partial.parts(["nginx", "app"], ["nginx"], [])
    assert not any(checks(brought, without, SITES)[title] is CHECKS[title] for title in CHECKS)
    assert checks(brought, without, SITES)[LISTENING] is not checks(brought)[LISTENING]


def test_a_run_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("groundcrew.partial.logger.info", said.append)
    monkeypatch.setattr(partial, "_told", set())
    brought = Brought({"app": Brings(relies_on=("python", "nginx")), "nginx": Brings()})
    parts = partial.parts(["app", "python", "nginx"], ["app"], [])
    for _ in range(2):
        partial.tell(parts, brought)
    assert said == [
        "Left out of this run: python, nginx",
        "app needs python and nginx: as an earlier run has left it",
    ]
    assert [item.detail for item in verify.operations.left_out(parts)] == ["python, nginx"]


def test_every_role_that_another_relies_on_exists(project: Project) -> None:
    project.app(more="tls: {certificate: {type: self-signed}}\n")
    settings = project.settings()
    for item in settings.brought.roles.values():
        assert set(item.relies_on) <= set(settings.roles)
