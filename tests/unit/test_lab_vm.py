"""Virtual machines of the lab: what QEMU and cloud-init are told, and what is known of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from groundcrew.lab import cli, inventory, plan, ports
from groundcrew.lab.model import Host, Ports, Spec
from groundcrew.lab.plan import Request
from groundcrew.lab.process import LabError
from groundcrew.lab.recipe import Recipe
from groundcrew.lab.vm import power, qemu
from groundcrew.lab.vm.files import Files
from groundcrew.lab.vm.model import Machine
from groundcrew.lab.vm.qemu import Image
from groundcrew.lab.vm.recipe import MachineRecipe
from groundcrew.lab.vm.seed import REPORTED, reported_keys, seed

MACHINE = Machine.made(Spec("vm1", "trixie", "web", Ports(8080, 8443)), 2200, "/images/trixie-1")
FILES = Files(Path("/lab/vm1"))
IMAGE = Image(Path("/images/trixie-1"))
CONTAINER = replace(MACHINE.host(None), name="web1", container="c-web1", vm=False, ssh_port=22)


def arguments(command: list[str], option: str) -> list[str]:
    return [value for name, value in pairwise(command) if name == option]


def test_ports_are_forwarded_from_the_loopback_address_only() -> None:
    [network] = arguments(qemu.machine_command(MACHINE, FILES, IMAGE, "tcg"), "-netdev")
    forwarded = [part for part in network.split(",") if part.startswith("hostfwd=")]
    assert forwarded == [
        "hostfwd=tcp:127.0.0.1:2200-:22",
        "hostfwd=tcp:127.0.0.1:8080-:80",
        "hostfwd=tcp:127.0.0.1:8443-:443",
    ]


def test_a_machine_boots_the_kernel_of_its_image_from_a_disk_of_its_own() -> None:
    command = qemu.machine_command(MACHINE, FILES, IMAGE, "kvm")
    assert arguments(command, "-kernel") == ["/images/trixie-1/vmlinuz"]
    assert arguments(command, "-accel") == ["kvm"]
    disk, cloud_init = arguments(command, "-drive")
    assert disk == "file=/lab/vm1/disk.qcow2,format=qcow2,if=virtio"
    assert "label=cidata" in cloud_init and "read-only=on" in cloud_init
    made = qemu.overlay_command(IMAGE, FILES)
    assert arguments(made, "-b") == ["/images/trixie-1/root.img"]


def test_a_comma_in_a_path_is_no_end_of_it() -> None:
    command = qemu.machine_command(MACHINE, Files(Path("/a,b")), IMAGE, "tcg")
    assert arguments(command, "-drive")[0].startswith("file=/a,,b/disk.qcow2,")


def test_cloud_init_is_told_name_key_and_network() -> None:
    files = seed("vm1", "ssh-ed25519 AAAA lab")
    assert yaml.safe_load(files["meta-data"])["local-hostname"] == "vm1"
    user_data = yaml.safe_load(files["user-data"])
    assert files["user-data"].startswith("#cloud-config\n")
    assert user_data["ssh_authorized_keys"] == ["ssh-ed25519 AAAA lab"]
    assert user_data["manage_etc_hosts"] is True
    [uplink] = yaml.safe_load(files["network-config"])["ethernets"].values()
    assert (uplink["dhcp4"], uplink["dhcp6"]) == (True, False)


def test_host_keys_count_once_the_first_boot_has_ended() -> None:
    key = "ssh-ed25519 AAAA root@vm1"
    assert reported_keys("") is None
    assert reported_keys(f"{key}\r\n") is None
    assert reported_keys(f"{key}\r\n{REPORTED}\r\n") == [key]


def test_a_machine_is_read_as_it_was_written() -> None:
    assert Machine.read(MACHINE.text()) == MACHINE


def test_a_machine_is_one_of_the_labs_hosts() -> None:
    host = MACHINE.host(4711)
    assert (host.running, host.vm, host.pid) == (True, True, 4711)
    assert not MACHINE.host(None).running
    assert host.spec == Spec("vm1", "trixie", "web", Ports(8080, 8443))
    assert cli.published(host) == "ssh 2200, http 8080, https 8443"
    assert json.loads(json.dumps(host.as_dict()))["ssh_port"] == 2200


def test_a_machine_is_reached_and_verified_at_its_forwarded_ports() -> None:
    data = inventory.host_data(MACHINE.host(4711))
    assert (data["ssh_hostname"], data["ssh_port"]) == ("127.0.0.1", 2200)
    assert data["bootstrap_user"] == "debian"
    assert data["verify"] == {"address": "127.0.0.1", "http_port": 8080, "https_port": 8443}
    assert data["fail2ban"] == {"ignore": ["10.0.2.2"]}


def test_new_hosts_are_of_the_kind_that_is_asked_for() -> None:
    split = plan.by_kind(Request(("new",), vm=True), [])
    assert (split.containers.names, split.machines.names) == ((), ("new",))
    split = plan.by_kind(Request(("new",)), [])
    assert (split.containers.names, split.machines.names) == (("new",), ())


def test_what_exists_stays_of_its_kind() -> None:
    present: list[Host] = [MACHINE.host(None), CONTAINER]
    split = plan.by_kind(Request(("web1", "vm1"), fresh=True), present)
    assert (split.containers.names, split.machines.names) == (("web1",), ("vm1",))
    with pytest.raises(LabError, match="web1 exists and is a container"):
        plan.by_kind(Request(("web1",), vm=True), present)


def test_a_stopped_machine_keeps_its_ports() -> None:
    taken = ports.of([MACHINE.host(None), CONTAINER])
    assert taken == {8080, 8443, 2200}
    assert ports.for_ssh({2200, 2201})() not in {2200, 2201}
    assert ports.chooser(taken)() != Ports(8080, 8443)


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_the_image_is_named_after_all_that_it_is_made_of(suite: str) -> None:
    plain, other = MachineRecipe(Recipe(suite, {})), MachineRecipe(Recipe(suite, {"a.crt": "1"}))
    assert plain.name.startswith(f"{suite}-")
    assert plain.name != other.name
    assert suite in plain.mmdebstrap("/context", "/tree")
    assert "/tree" in plain.mmdebstrap("/context", "/tree")


def test_only_the_machines_own_process_counts_as_running(tmp_path: Path) -> None:
    files = Files(tmp_path)
    assert power.running(files) is None
    files.pid.write_text(f"{os.getpid()}\n")
    assert power.running(files) is None
    code = "import time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, f"file:{files.console}"])
    try:
        files.pid.write_text(f"{process.pid}\n")
        while power.running(files) is None:
            assert process.poll() is None
        assert power.running(files) == process.pid
    finally:
        process.kill()
        process.wait()
    assert power.running(files) is None


def test_what_ends_at_once_is_reported(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"ended at once.*\nport in use"):
        power.switch_on(Files(tmp_path), ["sh", "-c", "echo port in use >&2; exit 1"])
