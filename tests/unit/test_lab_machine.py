"""What the lab needs of the machine it runs on."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundcrew.lab import debian, engine, network
from groundcrew.lab.process import LabError, run


@pytest.mark.parametrize(
    ("os_release", "expected"),
    [
        ("ID=debian\n", True),
        ('ID="debian"\nVERSION_ID="12"\n', True),
        ("ID=ubuntu\nID_LIKE=debian\n", True),
        ('ID=mint\nID_LIKE="ubuntu debian"\n', True),
        ('ID=rocky\nID_LIKE="rhel fedora"\n', False),
        ("", False),
    ],
)
def test_debian_is_told_from_others(os_release: str, expected: bool) -> None:
    assert debian.is_debian(os_release) is expected


def test_without_rights_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "can_install", lambda: False)
    with pytest.raises(LabError, match=r"mmdebstrap is missing \(builds the image\)"):
        debian.install(["mmdebstrap"], "builds the image")


def test_without_engine_and_rights_one_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(debian, "can_install", lambda: False)
    with pytest.raises(LabError, match="no Docker Engine: `docker` is not installed"):
        engine.ensure()


def test_a_remote_engine_is_not_replaced_by_a_local_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "tcp://engine:2375")
    with pytest.raises(LabError, match="DOCKER_HOST=tcp://engine:2375"):
        engine.ensure()


def test_a_failed_program_shows_its_last_words() -> None:
    with pytest.raises(LabError, match=r"exited 3:\nlast words"):
        run(["sh", "-c", "echo last words >&2; exit 3"])


def test_a_missing_program_is_named() -> None:
    with pytest.raises(LabError, match="`no-such-program` is not installed"):
        run(["no-such-program"])


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(LabError, match="did not end"):
        run(["sleep", "5"], timeout=0.1)


def test_the_ipv6_network_is_unique_local_and_the_checkouts_own() -> None:
    assert network.ipv6_subnet("/a") != network.ipv6_subnet("/b")
    assert network.ipv6_subnet("/a").startswith("fd")
    assert network.ipv6_subnet("/a").endswith(":1::/64")


def test_the_way_out_is_the_default_route() -> None:
    routes = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n"
    )
    assert network.default_interface(routes) == "eth0"
    assert network.default_interface("Iface\n") is None
