"""Which host builds a release, and from which one the others get it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent  # type: ignore[import-untyped]
import pytest

from groundcrew.manifest.release import Rollout
from groundcrew.releases import building_once, once, shipping
from groundcrew.releases.building_once import Job
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.shipping import ShippingError
from groundcrew.releases.steps.build import build_payload
from tests.unit.test_release_plan import TOOLCHAIN, Planner

RELEASE = "20260101T000000Z-aaaaaaaaaaaa"
ENVIRONMENT, CODE = "environments/a", "code/b"


class World:
    """Hosts with what they have of one release, and what was asked of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, plan: ReleasePlan) -> None:
        self.hosts: list[Any] = []
        self.there: dict[str, list[str]] = {}
        self.systems: dict[str, str] = {}
        self.asked: list[tuple[str, bool]] = []
        self.brought: list[tuple[str, str, tuple[str, ...]]] = []
        self.broken: set[str] = set()
        self.plan = plan
        for name in ("_plans", "_told", "_origins"):
            monkeypatch.setattr(building_once, name, type(getattr(building_once, name))())
        monkeypatch.setattr(once, "_turns", {})
        monkeypatch.setattr(building_once, "run_json", self.run_json)
        monkeypatch.setattr(building_once, "bring", self.bring)
        monkeypatch.setattr(building_once, "connector_arguments", lambda _: {})

    def add(self, name: str, *there: str, plan: ReleasePlan | None = None, of: str = "12") -> Any:
        host: Any = SimpleNamespace(name=name, connected=True, told=[])
        host.log = lambda text, **_: host.told.append(text)
        self.hosts.append(host)
        self.there[name], self.systems[name] = list(there), of

        class Inventory(list[Any]):
            def get_host(self, name: str) -> Any:
                return next(host for host in self if host.name == name)

        for each in self.hosts:
            each.state = SimpleNamespace(inventory=Inventory(self.hosts))
        building_once.register(host, [plan or self.plan])
        return host

    def run_json(self, other: Any, _: Any, program: str, payload: Any) -> Any:
        assert program == "inspect_parts"
        if other.name in self.broken:
            raise ShippingError(f"{other.name}: no answer")
        self.asked.append((other.name, payload[0]["fetch"]))
        there = self.there[other.name]
        missing = [part for part in (ENVIRONMENT, CODE) if part not in there]
        state = {"system": self.systems[other.name], "missing": missing, "there": there}
        return {item["name"]: state for item in payload}

    def bring(self, source: Any, host: Any, app: str, parts: Any) -> Any:
        if source.name in self.broken:
            raise ShippingError("damaged")
        self.brought.append((source.name, host.name, tuple(parts)))
        return {"archive": f"/var/tmp/{app}", "sha256": "0", "parts": list(parts)}

    def shares(self, host: Any, plan: ReleasePlan | None = None) -> Any:
        return building_once.shares([self.job(plan)], host).get("shop")

    def job(self, plan: ReleasePlan | None = None) -> Job:
        return Job(plan or self.plan, RELEASE, whole=False, run=None)


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    return Planner(tmp_path)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, planner: Planner) -> World:
    return World(monkeypatch, planner.plan())


def test_the_first_host_builds_and_the_others_wait_for_it(world: World) -> None:
    hosts = [world.add(f"web{number}") for number in range(3)]
    shares = [world.shares(host) for host in hosts]
    assert {share.turn.host for share in shares} == {"web0"}
    job = world.job()
    assert building_once.from_any([job], {"shop": shares[0]}, hosts[0]) == {}
    waiting = [
        gevent.spawn(building_once.from_builder, job, share, host)
        for share, host in zip(shares[1:], hosts[1:], strict=True)
    ]
    gevent.sleep(0.01)
    assert world.brought == []
    building_once.end([job], {"shop": shares[0]}, [], hosts[0])
    gevent.joinall(waiting, timeout=5, raise_error=True)
    both = (ENVIRONMENT, CODE)
    assert sorted(world.brought) == [("web0", "web1", both), ("web0", "web2", both)]


def test_a_single_host_is_asked_nothing(world: World) -> None:
    assert world.shares(world.add("web0")) is None
    assert world.asked == []


def test_hosts_of_different_systems_have_a_builder_each(world: World) -> None:
    hosts = [world.add("web0"), world.add("web1", of="13"), world.add("web2", of="13")]
    assert [world.shares(host).turn.host for host in hosts] == ["web0", "web1", "web1"]


@pytest.mark.parametrize(
    "change",
    [
        {"hooks": {"build": ["make"]}},
        {"build_secrets": {"TOKEN": "another"}},
        {"toolchain": replace(TOOLCHAIN, environment={"CFLAGS": "-march=native"})},
    ],
)
def test_what_another_build_would_make_is_not_taken(
    world: World, planner: Planner, change: dict[str, Any]
) -> None:
    other = planner.plan(**change)
    first, second = world.add("web0"), world.add("web1", plan=other)
    assert building_once.peers(world.plan, first) == []
    assert building_once.peers(other, second) == []
    third = world.add("web2", plan=other)
    assert building_once.peers(other, second) == [third]


def test_settings_of_the_release_alone_do_not_part_hosts(world: World, planner: Planner) -> None:
    first = world.add("web0")
    second = world.add("web1", plan=planner.plan(health={"timeout": 90}))
    assert building_once.peers(world.plan, first) == [second]


def test_each_host_may_build_for_itself(world: World, planner: Planner) -> None:
    plan = planner.plan(rollout={"build": "each"})
    first = world.add("web0", plan=plan)
    world.add("web1", plan=plan)
    assert Rollout().build == "once"
    assert world.shares(first, plan) is None
    assert world.asked == []


def test_a_host_added_later_gets_it_from_one_that_has_it(world: World) -> None:
    world.add("web0", ENVIRONMENT, CODE)
    late = world.add("web1")
    share = world.shares(late)
    received = building_once.from_any([world.job()], {"shop": share}, late)
    assert received["shop"]["parts"] == [ENVIRONMENT, CODE]
    assert world.brought == [("web0", "web1", (ENVIRONMENT, CODE))]
    assert ("web0", False) in world.asked, "it must not fetch an interpreter for others"


def test_several_hosts_added_later_get_the_same_archive(world: World) -> None:
    world.add("web0", ENVIRONMENT, CODE)
    late = [world.add("web1"), world.add("web2"), world.add("web3", CODE)]
    shares = [world.shares(host) for host in late]
    job = world.job()
    building_once.from_any([job], {"shop": shares[0]}, late[0])
    building_once.end([job], {"shop": shares[0]}, [], late[0])
    for share, host in zip(shares[1:], late[1:], strict=True):
        building_once.from_builder(job, share, host)
    assert [(source, parts) for source, _, parts in world.brought] == [
        ("web0", (ENVIRONMENT, CODE)),
        ("web0", (ENVIRONMENT, CODE)),
        ("web0", (ENVIRONMENT,)),
    ]


def test_what_nobody_has_is_built_though_the_rest_is_brought(world: World) -> None:
    world.add("web0", ENVIRONMENT)
    world.add("web1", of="13")
    late = world.add("web2")
    received = building_once.from_any([world.job()], {"shop": world.shares(late)}, late)
    assert received["shop"]["parts"] == [ENVIRONMENT]


def test_a_damaged_part_is_taken_from_the_next_host_or_built(world: World) -> None:
    hosts = [world.add("web0", ENVIRONMENT, CODE), world.add("web1", ENVIRONMENT, CODE)]
    late = world.add("web2")
    share = world.shares(late)

    def damaged(other: Any, host: Any, app: str, parts: Any) -> Any:
        if other.name == "web0":
            raise ShippingError("code/b is damaged")
        return World.bring(world, other, host, app, parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building_once, "bring", damaged)
        assert building_once.from_any([world.job()], {"shop": share}, late)
    assert world.brought == [("web1", "web2", (ENVIRONMENT, CODE))]
    assert any("code/b is damaged" in text for text in late.told)
    world.broken = {host.name for host in hosts}
    assert building_once.from_any([world.job()], {"shop": share}, late) == {}


def test_a_host_that_has_everything_builds_nothing_for_others(world: World) -> None:
    whole = world.add("web0", ENVIRONMENT, CODE)
    world.add("web1")
    assert world.shares(whole) is None


@pytest.mark.parametrize("how", ["failed", "ended without a word"])
def test_a_failed_build_fails_the_hosts_that_wait(world: World, how: str) -> None:
    first, second = world.add("web0"), world.add("web1")
    job, share, waits = world.job(), world.shares(first), world.shares(second)
    waiting = gevent.spawn(building_once.from_builder, job, waits, second)
    gevent.sleep(0.01)
    if how == "failed":
        building_once.end([job], {"shop": share}, ["shop"], first)
    else:
        building_once.give_up([job], first)
    with pytest.raises(ShippingError, match="web0 builds it for this host, and failed"):
        waiting.get(timeout=5)
    assert world.brought == []


def test_a_dry_run_says_once_that_one_host_builds(world: World) -> None:
    hosts = [world.add("web0"), world.add("web1")]
    for host in hosts:
        building_once.tell(world.plan, RELEASE, host)
    told = [text for host in hosts for text in host.told]
    assert len(told) == 1
    assert f"release {RELEASE} is built on one host" in told[0]


def test_what_a_host_is_told_that_builds_nothing(world: World) -> None:
    received: Any = {"archive": "/var/tmp/x", "sha256": "0", "parts": [CODE]}
    payload = build_payload(world.plan, RELEASE, None, received=received, builds=False)
    assert (payload["received"], payload["builds"]) == (received, False)
    plain = build_payload(world.plan, RELEASE, None)
    assert (plain["received"], plain["builds"]) == (None, True)


class Source:
    """A host that is not reached over SSH and that has packed an archive of this content."""

    def __init__(self, content: bytes, told: str) -> None:
        self.name, self.content, self.told = "web0", content, told
        self.fetches = 0
        self.commands: list[str] = []

    connector = None

    def log(self, text: str) -> None:
        pass

    def get_file(self, _: str, target: str) -> bool:
        self.fetches += 1
        gevent.sleep(0.01)
        Path(target).write_bytes(self.content)
        return True

    def run_shell_command(self, command: Any) -> tuple[bool, None]:
        self.commands.append(str(command))
        return True, None


def test_an_archive_is_fetched_once_for_all_and_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    source: Any = Source(b"hello", good)
    for name, value in {
        "FOLDER": tmp_path / "shipped",
        "_fetched": {},
        "_at_work": {},
        "_folders": [],
        "staging": lambda *_: "/var/tmp/it",
        "connector_arguments": lambda _: {},
        "run_json": lambda *_: {"path": "/x", "size": 5, "sha256": source.told},
        "stage": lambda host, file, _: f"/var/tmp/{host.name}/{file.name}",
    }.items():
        monkeypatch.setattr(shipping, name, value)
    hosts: list[Any] = [SimpleNamespace(name=f"web{i}", log=lambda _: None) for i in range(1, 9)]
    sent = [gevent.spawn(shipping.bring, source, host, "shop", [CODE]) for host in hosts]
    gevent.joinall(sent, timeout=5, raise_error=True)
    assert source.fetches == 1
    assert {item.value["sha256"] for item in sent} == {good}
    assert source.commands == ["rm -rf /var/tmp/it"]
    source.told = "0" * 64
    with pytest.raises(ShippingError, match=f"fetched from web0 has the SHA-256 {good}"):
        shipping.bring(source, hosts[0], "shop", [ENVIRONMENT])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=4))
    with pytest.raises(ShippingError, match=r"5 B are to be sent.*rollout\.build: each"):
        shipping.bring(source, hosts[0], "shop", [ENVIRONMENT, CODE])


def test_no_more_is_fetched_than_was_announced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source: Any = Source(b"hello and more", "0" * 64)
    for name, value in {
        "FOLDER": tmp_path / "shipped",
        "_fetched": {},
        "_folders": [],
        "staging": lambda *_: "/var/tmp/it",
        "connector_arguments": lambda _: {},
        "run_json": lambda *_: {"path": "/x", "size": 5, "sha256": source.told},
    }.items():
        monkeypatch.setattr(shipping, name, value)
    host: Any = SimpleNamespace(name="web1", log=lambda _: None)
    with pytest.raises(ShippingError, match="more than the announced 5 bytes"):
        shipping.bring(source, host, "shop", [CODE])
    assert source.commands == ["rm -rf /var/tmp/it"]
