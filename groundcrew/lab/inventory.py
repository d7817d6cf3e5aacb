"""The running lab as pyinfra's groups."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from groundcrew.lab import hosts, keys
from groundcrew.lab.model import ADMIN, BOOTSTRAP, Host
from groundcrew.lab.process import LabError

Groups = dict[str, list[tuple[str, dict[str, Any]]]]


@cache
def running() -> Groups:
    """Return the groups of the running lab; raises `LabError` when no host runs.

    Asked of the engine once per run, however often pyinfra reads the inventory.
    """
    found = hosts.running()
    if not found:
        raise LabError("no lab host is running; start one with bin/lab up web1")
    return groups(found)


def groups(found: Iterable[Host]) -> Groups:
    """Return pyinfra's groups of these hosts (pure)."""
    result: Groups = {}
    for host in found:
        result.setdefault(host.group, []).append((host.name, host_data(host)))
    return result


def host_data(host: Host) -> dict[str, Any]:
    """Return how the operator's machine reaches a host, by SSH and by HTTP (pure).

    All who work with a lab host come from one address, which is never banned.

    Published ports are for browsers: the checks ask the host itself, as an outsider would.
    """
    return {
        "ssh_hostname": host.address,
        "ssh_port": 22,
        "ssh_user": ADMIN,
        "bootstrap_user": BOOTSTRAP,
        "ssh_key": str(keys.PRIVATE_KEY),
        "ssh_known_hosts_file": str(keys.KNOWN_HOSTS),
        "ssh_strict_host_key_checking": "yes",
        "fail2ban": {"ignore": list(host.gateways)},
        "verify": {"address": host.address},
    }
