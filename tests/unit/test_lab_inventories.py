"""The inventories of the lab, of Vagrant and of the machine itself."""

from __future__ import annotations

import runpy
from dataclasses import replace

import pytest

from groundcrew.lab import inventory, local, vagrant
from groundcrew.lab.model import Host
from groundcrew.lab.process import LabError
from groundcrew.project import ROOT


def host(name: str, group: str = "web", http: int | None = None, https: int | None = None) -> Host:
    return Host(
        name=name,
        container=f"c-{name}",
        suite="bookworm",
        group=group,
        running=True,
        address="172.18.0.2",
        address6="",
        http_port=http,
        https_port=https,
    )


def test_lab_hosts_are_grouped() -> None:
    groups = inventory.groups([host("db1", "db"), host("web1"), host("web2")])
    assert {name: [item[0] for item in items] for name, items in groups.items()} == {
        "db": ["db1"],
        "web": ["web1", "web2"],
    }


def test_a_lab_host_is_reached_at_its_address_with_the_labs_key() -> None:
    data = inventory.host_data(host("web1"))
    assert data["ssh_hostname"] == "172.18.0.2"
    assert data["ssh_strict_host_key_checking"] == "yes"
    assert (data["ssh_user"], data["bootstrap_user"]) == ("deploy", "root")
    assert data["verify"] == {"address": "172.18.0.2"}


def test_who_works_with_a_lab_host_is_not_banned_there() -> None:
    spec = replace(host("web1"), gateways=("172.18.0.1", "fd00::1"))
    assert inventory.host_data(spec)["fail2ban"] == {"ignore": ["172.18.0.1", "fd00::1"]}


def test_a_published_host_is_verified_at_its_own_address() -> None:
    verify = inventory.host_data(host("web1", http=8080, https=8443))["verify"]
    assert verify == {"address": "172.18.0.2"}


SSH_CONFIG = """\
Host web1
  HostName 127.0.0.1
  User vagrant
  Port 2222
  UserKnownHostsFile /dev/null
  IdentityFile "/home/a b/.vagrant/machines/web1/private_key"
  IdentityFile /home/other

Host extra
  HostName 127.0.0.1
  User admin
  Port 2200
  IdentityFile /key
"""


def test_vagrant_machines_become_hosts() -> None:
    machines = {"web1": {"box": "b", "address": "192.168.56.11", "group": "edge"}}
    groups = vagrant.groups(vagrant.parse_ssh_config(SSH_CONFIG), machines)
    [(name, data)] = groups["edge"]
    assert name == "web1"
    assert (data["ssh_hostname"], data["ssh_port"]) == ("127.0.0.1", 2222)
    assert data["ssh_key"] == "/home/a b/.vagrant/machines/web1/private_key"
    assert data["bootstrap_user"] == "vagrant"
    assert data["verify"] == {"address": "192.168.56.11"}
    [(_, other)] = groups["web"]
    assert other["bootstrap_user"] == "admin"
    assert "verify" not in other


def test_the_vagrantfiles_machines_are_debian_12_and_13() -> None:
    boxes = {machine["box"] for machine in vagrant.read_machines().values()}
    assert boxes == {"bento/debian-12", "bento/debian-13"}


def test_without_a_terminal_the_machine_is_not_changed() -> None:
    with pytest.raises(LabError, match="GROUNDCREW_LOCAL=yes"):
        local.confirm({}, terminal=False)


@pytest.mark.parametrize("answer", ["", "y", "no"])
def test_anything_but_yes_is_no(answer: str) -> None:
    with pytest.raises(LabError, match="nothing was changed"):
        local.confirm({}, lambda _: answer, terminal=True)


def test_yes_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(local.VARIABLE, raising=False)
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return "yes"

    local.confirm(ask=answer, terminal=True)
    local.confirm(ask=answer, terminal=True)
    assert len(questions) == 1


def test_the_example_of_real_hosts_has_the_group_and_no_host() -> None:
    assert runpy.run_path(str(ROOT / "inventory" / "prod.py"))["web"] == []
