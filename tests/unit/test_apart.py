"""An application that fails is set apart; the others go on, and the run fails at its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent  # type: ignore[import-untyped]
import pytest
from pyinfra.api import FunctionCommand
from pyinfra.context import ctx_host

from groundcrew import remote
from groundcrew.manifest.paths import AppPaths
from groundcrew.releases import apart, once, rollout


class FakeHost:
    """The part of pyinfra's host that is used."""

    def __init__(self, executing: bool = True) -> None:
        self.connector_data: dict[str, Any] = {}
        self.state = SimpleNamespace(is_executing=executing)
        self.noops: list[str] = []

    def noop(self, text: str) -> None:
        self.noops.append(text)


@apart.own
def steps(plan: Any, text: str) -> apart.Commands:
    del plan
    yield FunctionCommand(lambda: None, (text,), {})


ROOT = Path(__file__).resolve().parents[2]
PLAN = SimpleNamespace(paths=AppPaths("shop"))


@pytest.fixture
def host() -> Iterator[Any]:
    fake = FakeHost()
    with ctx_host.use(fake):
        yield fake


def test_an_operation_says_whose_it_is_until_it_has_ended(host: Any) -> None:
    commands = steps(PLAN, text="go")
    next(commands)
    assert apart.blamed(host) == ["shop"]
    assert list(commands) == []
    assert apart.blamed(host) == []


def test_nothing_more_is_done_for_an_application_that_failed(host: Any) -> None:
    apart.fail(host, "shop", "start")
    apart.fail(host, "shop", "later")
    assert list(steps(plan=PLAN, text="go")) == []
    assert host.noops == ["shop has failed"]
    assert apart.failed(host) == {"shop": "start"}
    other = SimpleNamespace(paths=AppPaths("blog"))
    assert len(list(steps(plan=other, text="go"))) == 1


def test_changes_are_detected_as_if_nothing_had_failed() -> None:
    host: Any = FakeHost(executing=False)
    with ctx_host.use(host):
        apart.fail(host, "shop", "start")
        assert len(list(steps(PLAN, text="go"))) == 1


def test_an_operation_over_several_fails_where_one_was_not_done(host: Any) -> None:
    apart.begin(host, ["a", "b"])
    apart.good(host, "a")
    assert len(list(apart.end(host))) == 1
    apart.good(host, "b")
    assert list(apart.end(host)) == []


@pytest.mark.parametrize(
    ("lines", "bad"),
    [
        (["built", '{"failed": ["b"]}'], ["b"]),
        (["Killed"], ["a", "b"]),
        ([], ["a", "b"]),
        (['{"failed": []}'], ["a", "b"]),
        (['{"failed": ["others"]}'], ["a", "b"]),
        (["7"], ["a", "b"]),
    ],
)
def test_whose_work_a_program_has_not_done(lines: list[str], bad: list[str]) -> None:
    assert apart.failed_names(lines, ["a", "b"]) == bad


def test_turns_of_one_application_end_when_it_fails() -> None:
    mine = once.turn("hooks", "shop", "1", "web1")
    other = once.turn("hooks", "blog", "1", "web1")
    once.failed("web1", "shop")
    assert mine.over.is_set()
    assert not mine.good
    assert not other.over.is_set()
    once.failed("web1")
    assert other.over.is_set()


def test_turns_in_line_come_one_after_the_other() -> None:
    first = once.turn_in_line("hooks", "shop", "digest of web1", "db1", "web1")
    assert once.turn_in_line("hooks", "shop", "digest of web1", "db1", "web3") is first
    second = once.turn_in_line("hooks", "shop", "digest of web2", "db1", "web2")
    third = once.turn_in_line("hooks", "shop", "digest of web4", "db1", "web4")
    elsewhere = once.turn_in_line("hooks", "shop", "digest of web1", "db2", "web5")
    first.begin()
    elsewhere.begin()
    order: list[str] = []

    def take(mine: once.Turn) -> None:
        mine.begin()
        order.append(mine.host)
        mine.end(good=True)

    waiting = [gevent.spawn(take, mine) for mine in (third, second)]
    gevent.sleep(0.05)
    assert order == []
    # However it ends.
    once.failed("web1")
    gevent.joinall(waiting, timeout=5)
    assert order == ["web2", "web4"]


def test_a_failure_before_the_switch_leads_nobody_back_but_stops_the_others() -> None:
    group = rollout.Rollout()
    led: list[str] = []

    def back() -> bool:
        led.append("web1")
        return True

    group.switched["web1"] = back
    group.fail("web2")
    assert (group.failed, led) == ("web2", [])
    group.attempting.add("web3")
    group.fail("web3")
    assert (group.failed, led) == ("web2", ["web1"])


def test_work_is_done_side_by_side_and_those_that_fail_are_named() -> None:
    program = (
        "import json, sys, time\n"
        "from groundcrew.remote.several import several\n"
        "def work(item):\n"
        "    sys.stdout.write(item['name'] + '\\n')\n"
        "    time.sleep(0.3)\n"
        "    if item['name'] == 'dies': raise OSError('no')\n"
        "    return item['status']\n"
        "sys.exit(several(json.load(sys.stdin), work))\n"
    )
    items = [
        {"name": "good", "status": 0},
        {"name": "bad", "status": 3},
        {"name": "dies", "status": 0},
    ]
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(items),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    lines = done.stdout.splitlines()
    assert sorted(lines[:-1]) == ["bad", "dies", "good"]
    assert json.loads(lines[-1]) == {"failed": ["bad", "dies"]}
    assert done.returncode == 1
    assert "several" in remote.source("build_release")
    assert "OSError: no" in done.stderr
