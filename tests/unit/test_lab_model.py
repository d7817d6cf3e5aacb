"""Lab hosts as the engine's labels describe them."""

from __future__ import annotations

from typing import Any

import pytest

from groundcrew.lab.checkout import NETWORK, OURS, PREFIX
from groundcrew.lab.model import Host, Ports, Spec, parse_inspect, parse_ports
from groundcrew.lab.process import LabError


def container(name: str, *, publish: str = "", running: bool = True) -> dict[str, Any]:
    labels = {
        "groundcrew.lab.name": name,
        "groundcrew.lab.suite": "trixie",
        "groundcrew.lab.group": "web",
    }
    if publish:
        labels["groundcrew.lab.publish"] = publish
    address = (
        {"IPAddress": "172.18.0.2", "GlobalIPv6Address": "fd00::2", "Gateway": "172.18.0.1"}
        if running
        else {}
    )
    return {
        "Name": f"/{PREFIX}-{name}",
        "Config": {"Labels": labels},
        "State": {"Running": running},
        "NetworkSettings": {"Networks": {NETWORK: address}},
    }


def test_inspect_gives_hosts_by_name() -> None:
    hosts = parse_inspect([container("web2", running=False), container("web1", publish="80:81")])
    assert [host.name for host in hosts] == ["web1", "web2"]
    assert hosts[0] == Host(
        name="web1",
        container=f"{PREFIX}-web1",
        suite="trixie",
        group="web",
        running=True,
        address="172.18.0.2",
        address6="fd00::2",
        http_port=80,
        https_port=81,
        gateways=("172.18.0.1",),
    )
    assert not hosts[1].running
    assert hosts[1].address == ""
    assert hosts[1].ports is None


def test_a_host_remembers_what_it_was_asked_to_be() -> None:
    [host] = parse_inspect([container("web1", publish="8080:8443")])
    assert host.spec == Spec("web1", "trixie", "web", Ports(8080, 8443))


@pytest.mark.parametrize("name", ["", "Web1", "-web", "web-", "web_1", "web.1", "a" * 33, "a b"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="host name"):
        Spec(name)


@pytest.mark.parametrize("group", ["", "Web", "web-1", "1web"])
def test_a_bad_group_is_refused(group: str) -> None:
    with pytest.raises(LabError, match="group name"):
        Spec("web1", group=group)


def test_an_unknown_suite_is_refused() -> None:
    with pytest.raises(LabError, match="bookworm or trixie"):
        Spec("web1", suite="buster")


@pytest.mark.parametrize("text", ["8080", "8080:", ":8443", "a:b", "0:1", "70000:1", "80:80"])
def test_bad_ports_are_refused(text: str) -> None:
    with pytest.raises(LabError, match="HTTP:HTTPS"):
        parse_ports(text)


def test_a_host_runs_without_privileged_and_carries_its_labels() -> None:
    arguments = Spec("web1", group="db").run_arguments("image:tag")
    assert "--privileged" not in arguments
    assert f"--label={OURS}" in arguments
    assert "--label=groundcrew.lab.group=db" in arguments
    assert arguments[-1] == "image:tag"
    assert not [argument for argument in arguments if argument.startswith("--publish")]


def test_ports_are_published_on_the_loopback_address_only() -> None:
    arguments = Spec("web1", ports=Ports(8080, 8443)).run_arguments("image:tag")
    published = [argument for argument in arguments if argument.startswith("--publish")]
    assert published == ["--publish=127.0.0.1:8080:80", "--publish=127.0.0.1:8443:443"]
    assert "--label=groundcrew.lab.publish=8080:8443" in arguments
