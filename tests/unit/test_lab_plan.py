"""What `bin/lab up` and `reset` make of what was asked and what exists."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from groundcrew.lab import plan
from groundcrew.lab.cli import normalise
from groundcrew.lab.model import Host, Ports, Spec
from groundcrew.lab.plan import Request
from groundcrew.lab.process import LabError

EXISTING = Host(
    name="web1",
    container="c-web1",
    suite="trixie",
    group="canary",
    running=True,
    address="172.18.0.2",
    address6="",
    http_port=9080,
    https_port=9443,
)
PRESENT = {"web1": EXISTING}


def counter() -> Callable[[], Ports]:
    numbers = iter(range(100))

    def choose() -> Ports:
        offset = next(numbers)
        return Ports(8080 + offset, 8443 + offset)

    return choose


def test_new_hosts_get_the_defaults() -> None:
    assert plan.specs(Request(("web1", "web2")), {}, counter()) == [Spec("web1"), Spec("web2")]


def test_a_name_given_twice_is_one_host() -> None:
    assert plan.specs(Request(("web1", "web1")), {}, counter()) == [Spec("web1")]


def test_every_published_host_has_ports_of_its_own() -> None:
    specs = plan.specs(Request(("web2", "web3"), publish=True), {}, counter())
    assert [spec.ports for spec in specs] == [Ports(8080, 8443), Ports(8081, 8444)]


@pytest.mark.parametrize("fresh", [False, True])
def test_an_existing_host_keeps_what_is_not_mentioned(fresh: bool) -> None:
    [spec] = plan.specs(Request(("web1",), publish=True, fresh=fresh), PRESENT, counter())
    assert spec == Spec("web1", "trixie", "canary", Ports(9080, 9443))


def test_an_existing_host_is_not_changed_silently() -> None:
    with pytest.raises(LabError, match=r"trixie, group canary, published on 9080:9443.*reset web1"):
        plan.specs(Request(("web1",), suite="bookworm"), PRESENT, counter())


def test_reset_may_change_it() -> None:
    request = Request(("web1",), suite="bookworm", ports=Ports(1, 2), publish=True, fresh=True)
    assert plan.specs(request, PRESENT, counter()) == [
        Spec("web1", "bookworm", "canary", Ports(1, 2))
    ]


def test_one_pair_of_ports_is_not_for_several_hosts() -> None:
    with pytest.raises(LabError, match="for one host"):
        Request(("web1", "web2"), publish=True, ports=Ports(8080, 8443))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["up", "--publish", "web1"], ["up", "--publish=auto", "web1"]),
        (["up", "web1", "--publish"], ["up", "web1", "--publish=auto"]),
        (["up", "--publish", "80:81", "web1"], ["up", "--publish", "80:81", "web1"]),
        (["ssh", "web1", "tool", "--publish"], ["ssh", "web1", "tool", "--publish"]),
    ],
)
def test_the_ports_of_publish_are_optional(given: list[str], meant: list[str]) -> None:
    assert normalise(given) == meant
