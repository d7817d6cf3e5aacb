"""The virtual machines of the Vagrantfile as groups of a pyinfra inventory."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from groundcrew.lab.inventory import Groups
from groundcrew.lab.process import LabError, run
from groundcrew.project import ROOT

MACHINES = ROOT / "inventory" / "vagrant.yml"


@cache
def running() -> Groups:
    """Return the groups of the running machines. Raises `LabError` if none runs."""
    result = run(["vagrant", "ssh-config"], timeout=120, check=False)
    connections = parse_ssh_config(result.stdout)
    if not connections:
        raise LabError(
            f"no Vagrant machine is running; start them with vagrant up\n{result.stderr.strip()}"
        )
    return groups(connections, read_machines())


def read_machines(path: Path = MACHINES) -> dict[str, dict[str, str]]:
    """Return the machines of the Vagrantfile: name -> box, address, group."""
    machines: dict[str, dict[str, str]] = yaml.safe_load(path.read_text())
    return machines


def parse_ssh_config(text: str) -> dict[str, dict[str, str]]:
    """Parse the configuration of an OpenSSH client: host -> first value of each key, in lower case
    (pure).

    Machines that do not run have no block.
    """
    blocks: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if len(words) < 2:
            continue
        if words[0].lower() == "host":
            current = blocks.setdefault(words[1], {})
        else:
            current.setdefault(words[0].lower(), words[1])
    return blocks


def groups(
    connections: Mapping[str, Mapping[str, str]], machines: Mapping[str, Mapping[str, str]]
) -> Groups:
    """Return the pyinfra groups of the running machines (pure)."""
    result: Groups = {}
    for name, connection in connections.items():
        machine = machines.get(name, {})
        data: dict[str, Any] = {
            "ssh_hostname": connection["hostname"],
            "ssh_port": int(connection.get("port", "22")),
            "ssh_user": "deploy",
            "bootstrap_user": connection.get("user", "vagrant"),
            "ssh_key": connection["identityfile"],
            # Like Vagrant itself: a recreated machine has new host keys on the same port.
            "ssh_known_hosts_file": "/dev/null",
            "ssh_strict_host_key_checking": "no",
        }
        if "address" in machine:
            data["verify"] = {"address": machine["address"]}
        result.setdefault(machine.get("group", "web"), []).append((name, data))
    return result
