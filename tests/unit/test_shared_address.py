"""The address that balancers share: who may, keepalived's files, and what verify says."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from groundcrew.entries import File
from groundcrew.results.result import Status
from groundcrew.roles import combined
from groundcrew.roles.firewall.builders import ruleset
from groundcrew.roles.haproxy import (
    address_checks,
    on_host_address,
    on_host_interface,
    rolling,
    serves,
    shared,
)
from groundcrew.roles.haproxy.report import SharedAddress
from groundcrew.roles.settings import HostSettings
from groundcrew.settings import SettingsError
from groundcrew.verify.seen import Seen, View
from tests.unit.project import Project

ADDRESS = "10.0.0.99"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two balancers and a host behind them."""
    made = Project(tmp_path)
    made.hosts = {
        "lb1": (["lb"], {"ssh_hostname": "10.0.0.1", "haproxy": {"address": ADDRESS}}),
        "lb2": (["lb"], {"ssh_hostname": "10.0.0.2", "haproxy": {"address": ADDRESS}}),
        "web1": (["web"], {"ssh_hostname": "10.0.0.3", "apps": ["shop"]}),
    }
    made.app(more="tls: {certificate: {type: self-signed}}\n")
    return made


def load(project: Project) -> dict[str, HostSettings]:
    return {name: item.settings for name, item in project.load().items()}


def keepalived(settings: HostSettings) -> str:
    """keepalived's configuration."""
    [file] = shared.configuration_files(settings.haproxy, settings.place)
    assert isinstance(file, File)
    return str(file.content)


def both(project: Project, **values: Any) -> None:
    """Sets the same for both balancers."""
    for name in ("lb1", "lb2"):
        project.hosts[name][1]["haproxy"].update(values)


def test_visitors_come_through_the_shared_address(project: Project) -> None:
    loaded = load(project)
    entrance = loaded["web1"].place.entrance
    assert entrance
    assert entrance.address == ADDRESS
    # Requests come from the balancers' own addresses.
    assert loaded["web1"].nginx.trusted_proxies == ("10.0.0.1", "10.0.0.2")


def test_balancers_speak_vrrp_with_each_other_alone(project: Project) -> None:
    loaded = load(project)
    rules = ruleset(combined.firewall(loaded["lb1"]), [22], None)
    assert 'ip saddr { 10.0.0.2 } meta l4proto 112 accept comment "vrrp"' in rules
    assert "112" not in ruleset(combined.firewall(loaded["web1"]), [22], None)
    closed = combined.firewall(loaded["lb1"]).model_copy(update={"output": "drop"})
    assert "meta l4proto { 1, 58, 112 } accept" in ruleset(closed, [22], None)
    text = keepalived(loaded["lb1"])
    assert "unicast_src_ip 10.0.0.1" in text
    assert re.search(r"unicast_peer \{\n +10\.0\.0\.2\n", text)
    assert "auth" not in re.sub(r"#.*", "", text)


def test_the_order_of_the_inventory_is_that_of_the_balancers(project: Project) -> None:
    loaded = load(project)
    assert [shared.priority(loaded[name].place) for name in ("lb1", "lb2")] == [200, 199]


def test_the_interface_is_found_or_set(project: Project) -> None:
    settings = load(project)["lb1"].haproxy
    assert "haproxy_interface.py 10.0.0.99" in shared.check_command(settings)
    project.hosts["lb1"][1]["haproxy"]["interface"] = "ens4"
    loaded = load(project)["lb1"]
    text = keepalived(loaded)
    assert "$INTERFACE=ens4" in text
    assert "haproxy_interface" not in shared.check_command(loaded.haproxy)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"lb1": {"address": "10.0.0.98"}}, "all balancers need the same, and lb1 has another"),
        ({"lb1": {"router_id": 7}}, "all balancers need the same"),
        ({"lb1": {"address": "10.0.0.3"}, "lb2": {"address": "10.0.0.3"}},
         "10.0.0.3 is the address of web1 itself"),
        ({"lb1": {"address": "fd00::1"}, "lb2": {"address": "fd00::1"}},
         "must both be IPv4 or IPv6"),
        ({"lb1": {"address": None, "dns": True}}, "dns needs haproxy.address"),
        ({"lb1": {"adress": ADDRESS}}, 'did you mean "address"'),
        ({"lb1": {"interface": "eth0; rm"}}, "haproxy.interface"),
    ],
)  # fmt: skip
def test_what_is_refused(
    project: Project, change: Mapping[str, Mapping[str, Any]], told: str
) -> None:
    for name, values in change.items():
        project.hosts[name][1]["haproxy"].update(values)
    with pytest.raises(SettingsError) as error:
        project.load()
    assert told in " ".join(str(error.value).split())


def test_nothing_of_it_without_an_address(project: Project) -> None:
    both(project, address=None)
    brought = load(project)["lb1"].brought
    assert "keepalived" not in brought.packages
    assert brought.protocols == []


def test_haproxy_serves_if_all_ports_for_visitors_take_connections() -> None:
    header = "# pxname,svname,status\n"
    assert serves.serves(f"{header}http,FRONTEND,OPEN\nhttps,FRONTEND,FULL\nstats,FRONTEND,STOP\n")
    assert not serves.serves(f"{header}http,FRONTEND,OPEN\nhttps,FRONTEND,STOP\n")
    assert not serves.serves(f"{header}stats,FRONTEND,OPEN\n")


def test_nobody_who_answers_is_no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serves, "SOCKET", str(tmp_path / "none.sock"))
    assert serves.main() == 1


def test_the_interface_is_that_of_the_most_specific_route() -> None:
    routes = [
        {"dst": "default", "dev": "eth0"},
        {"dst": "10.0.0.0/24", "dev": "eth1"},
        {"dst": "10.0.0.0/8", "dev": "eth2"},
    ]
    assert on_host_interface.chosen(routes) == "eth1"
    assert on_host_interface.chosen([]) is None


def frame(operation: int, address: bytes) -> bytes:
    return bytes(14) + struct.pack(
        "!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, b"\x02abcde", address, bytes(6), bytes(4)
    )


def test_only_answers_about_the_address_count() -> None:
    mine = bytes([10, 0, 0, 99])
    assert on_host_address.holder(frame(2, mine), mine) == ["02:61:62:63:64:65"]
    assert on_host_address.holder(frame(1, mine), mine) == []
    assert on_host_address.holder(frame(2, bytes(4)), mine) == []
    assert on_host_address.holder(b"short", mine) == []


@pytest.mark.parametrize(
    ("held", "others", "unit", "status", "told"),
    [
        ([ADDRESS], [], "active", Status.OK, "held here"),
        ([], ["aa"], "active", Status.OK, "held by another balancer"),
        ([], [], "active", Status.FAIL, "nobody holds 10.0.0.99"),
        ([ADDRESS], ["aa"], "active", Status.FAIL, "held here and by another machine (aa)"),
        ([], ["aa", "bb"], "active", Status.FAIL, "held by 2 machines: aa, bb"),
        ([], ["aa"], "failed", Status.FAIL, "keepalived.service is failed"),
        ([], None, "active", Status.OK, "held elsewhere"),
    ],
)
def test_exactly_one_balancer_holds_the_address(
    held: list[str], others: list[str] | None, unit: str, status: Status, told: str
) -> None:
    report: SharedAddress = {"held": held, "others": others, "unit": unit, "names": {}}
    [result] = address_checks.check([ADDRESS], Seen(View("10.0.0.1"), {"shared_address": report}))
    assert result.status == status
    assert told in result.detail
    assert told in "\n".join(address_checks.status([ADDRESS], report))


def test_names_that_lead_elsewhere_are_told() -> None:
    report: SharedAddress = {
        "held": [ADDRESS],
        "others": [],
        "unit": "active",
        "names": {"shop.test": ["10.0.0.1"], "www.test": [ADDRESS]},
    }
    _, names = address_checks.check([ADDRESS], Seen(View("10.0.0.1"), {"shared_address": report}))
    assert names.status == Status.FAIL
    assert names.detail == "the DNS leads shop.test to 10.0.0.1"


def test_an_address_that_is_not_shared_any_more_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = {
        "unit": "keepalived.service",
        "configuration": str(tmp_path / "keepalived.conf"),
        "drop_in": str(tmp_path / "drop-in.conf"),
    }
    assert on_host_address.differences(request) == []
    (tmp_path / "keepalived.conf").touch()
    assert len(on_host_address.differences(request)) == 1
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(on_host_address, "run", lambda *words: commands.append(words))
    on_host_address.converge(request)
    assert ("systemctl", "disable", "--now", "keepalived.service") in commands
    assert on_host_address.differences(request) == []


def test_an_address_that_nobody_takes_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    request = {"unit": "keepalived.service", "addresses": [ADDRESS], "interface": "eth0"}
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(on_host_address, "held", lambda _: [ADDRESS])
    monkeypatch.setattr(on_host_address, "others", lambda *_: [])
    monkeypatch.setattr(on_host_address, "TAKEN", 0)
    monkeypatch.setattr(on_host_address, "run", lambda *words: commands.append(words))
    with pytest.raises(on_host_address.AddressError, match="no other balancer has taken"):
        on_host_address.hand_over(request)
    assert commands[-1] == ("systemctl", "start", "keepalived.service")


def test_the_balancer_that_holds_the_address_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = rolling.Plan("reboot", [], ["db", "lb1", "lb2"], {}, 1, 0, 1,
                        shared={"lb1": {}, "lb2": {}})  # fmt: skip
    work = rolling._Work(None, plan, {})  # type: ignore[arg-type]
    held = {"lb1": [ADDRESS], "lb2": []}
    monkeypatch.setattr(work, "of_address", lambda name, _: held[name])
    assert list(work.ordered()) == [("db",), ("lb2",), ("lb1",)]


def test_an_interrupted_run_is_healed_and_a_broken_balancer_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plan = rolling.Plan("reboot", ["web1"], [], {}, 1, 0, 600, shared={"lb1": {}, "lb2": {}})
    work = rolling._Work(None, plan, {})  # type: ignore[arg-type]
    asked: list[tuple[str, str]] = []

    def of_address(name: str, function: str) -> str:
        asked.append((name, function))
        return "HAProxy does not serve" if name == "lb2" else ""

    monkeypatch.setattr(work, "of_address", of_address)
    work.put_all_back()
    assert asked == [("lb1", "stand_by"), ("lb2", "stand_by")]
    assert "[lb2] could not take the shared address: HAProxy does not serve" in caplog.text


def test_the_address_is_handed_over_before_a_balancer_restarts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = rolling.Plan("reboot", [], ["lb1"], {}, 1, 0, 600, shared={"lb1": {}, "lb2": {}})
    work = rolling._Work(None, plan, {})  # type: ignore[arg-type]
    done: list[str] = []
    monkeypatch.setattr(work, "of_address", lambda _, function, *more: done.append(function))
    monkeypatch.setattr(work, "work", lambda _: done.append("restart"))
    work.one(["lb1"])
    assert done == ["hand_over", "restart", "stand_by"]


@pytest.mark.parametrize("error", [OSError("no such device"), KeyboardInterrupt()])
def test_an_address_comes_back_whatever_ends_the_question_who_has_it(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    request = {"unit": "keepalived.service", "addresses": [ADDRESS], "interface": "eth0"}
    commands: list[tuple[str, ...]] = []

    def others(*_: str) -> list[str]:
        raise error

    monkeypatch.setattr(on_host_address, "held", lambda _: [ADDRESS])
    monkeypatch.setattr(on_host_address, "others", others)
    monkeypatch.setattr(on_host_address, "run", lambda *words: commands.append(words))
    with pytest.raises(type(error)):
        on_host_address.hand_over(request)
    assert commands == [
        ("systemctl", "stop", "keepalived.service"),
        ("systemctl", "start", "keepalived.service"),
    ]


@pytest.mark.parametrize(
    ("then", "told"),
    [
        ("", ""),
        ("HAProxy does not serve", "HAProxy does not serve"),
        (OSError("connection lost"), "connection lost"),
    ],
)
def test_a_balancer_on_which_the_work_fails_shares_the_address_again(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    then: str | OSError,
    told: str,
) -> None:
    plan = rolling.Plan("reboot", [], ["lb1"], {"lb2": {}}, 1, 0, 600, shared={"lb1": {}})
    work = rolling._Work(None, plan, {})  # type: ignore[arg-type]
    done: list[str] = []

    def of_address(_: str, function: str, *more: Any) -> str:
        del more
        done.append(function)
        if function == "stand_by" and isinstance(then, OSError):
            raise then
        return str(then) if function == "stand_by" else ""

    def broken(_: str) -> None:
        raise rolling.RollingError("lb1: apt-get failed")

    def unreachable(*_: Any, **__: Any) -> None:
        raise rolling.RollingError("lb2: the connection is gone")

    monkeypatch.setattr(work, "of_address", of_address)
    monkeypatch.setattr(work, "work", broken)
    # Nothing was drained, so nothing is put back; a balancer that is down hides no reason.
    monkeypatch.setattr(work, "call", unreachable)
    with pytest.raises(rolling.RollingError, match="apt-get failed"):
        work.one(["lb1"])
    assert done == ["hand_over", "stand_by"]
    assert (f"[lb1] could not take the shared address: {told}" in caplog.text) is bool(told)
