"""The running lab hosts as groups of a pyinfra inventory."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from groundcrew.lab import hosts, keys
from groundcrew.lab.model import ADMIN, Host
from groundcrew.lab.process import LabError
from groundcrew.project import program

Groups = dict[str, list[tuple[str, dict[str, Any]]]]


@cache
def running() -> Groups:
    """Return the groups of the running lab. Raises `LabError` if no host runs.

    The result is cached, as pyinfra reads the inventory several times per run.
    """
    listed = hosts.running()
    if not listed:
        raise LabError(f"no lab host is running; start one with {program('lab')} up web1")
    return groups(listed)


def groups(listed: Iterable[Host]) -> Groups:
    """Return the pyinfra groups of these hosts (pure)."""
    result: Groups = {}
    for host in listed:
        for group in host.group.split(","):
            result.setdefault(group, []).append((host.name, host_data(host)))
    return result


def host_data(host: Host) -> dict[str, Any]:
    """Return the host data with which the operator's machine reaches a host by SSH and HTTP (pure).

    All clients of a lab host share the gateway's address, so it is never banned. The checks connect
    to a container directly, as an outsider would; its published ports are for browsers. A virtual
    machine is reached only through its published ports.
    """
    verify: dict[str, Any] = {"address": host.address}
    if host.vm:
        verify |= {"http_port": host.http_port, "https_port": host.https_port}
    return {
        "ssh_hostname": host.address,
        "ssh_port": host.ssh_port,
        "ssh_user": ADMIN,
        "bootstrap_user": host.bootstrap,
        "ssh_key": str(keys.PRIVATE_KEY),
        "ssh_known_hosts_file": str(keys.KNOWN_HOSTS),
        "ssh_strict_host_key_checking": "yes",
        "fail2ban": {"ignore": list(host.gateways)},
        "verify": verify,
    }
