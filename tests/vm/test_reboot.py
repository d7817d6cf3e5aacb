"""After a reboot everything is as it was, without a run."""

from __future__ import annotations

from pathlib import Path

from tests.vm.harness import SETTINGS, Machine


def test_everything_is_back_after_a_reboot(machine: Machine, tmp_path: Path) -> None:
    rules = machine.out("nft -s -t list table inet groundcrew")
    before = machine.live("hello")
    machine.reboot()
    answer = machine.get("/", "hello.test")
    assert answer.status_code == 200
    assert "good morning" in answer.text
    assert machine.live("hello") == before
    assert machine.out("nft -s -t list table inet groundcrew") == rules
    assert machine.out("sysctl -n kernel.kptr_restrict vm.swappiness").split() == ["2", "10"]
    assert "/swapfile" in machine.out("swapon --show=NAME --noheadings")
    machine.is_well(tmp_path)


def test_names_of_the_host_survive_cloud_init(machine: Machine) -> None:
    """Which makes /etc/hosts anew at each boot, on Debian's cloud images too."""
    assert "manage_etc_hosts" in machine.out("cloud-init query userdata")
    machine.out("echo 10.0.0.9 not-ours >> /etc/hosts")
    machine.reboot()
    assert "not-ours" not in machine.out("cat /etc/hosts")
    for name, address in SETTINGS["base.hosts"].items():
        assert machine.out(f"getent hosts {name}").split() == [address, name]
