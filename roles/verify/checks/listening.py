"""Nothing listens that was not declared."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from groundcrew.results.result import Check, judge
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """On public addresses, only declared ports and those that sshd is set to."""
    declared = {*seen.expected.declared_ports, *seen.settings.listening, *ssh_ports(seen)}
    sockets = seen.section("listening")
    public = [item for item in sockets if not is_local(item["address"])]
    problems = {
        f"{item['process']} listens on {item['address']}:{item['port']}": None
        for item in public
        if item["port"] not in declared
    }
    ports = ", ".join(str(port) for port in sorted({item["port"] for item in public}))
    yield judge("listening sockets", list(problems), f"only declared ports: {ports}")


def ssh_ports(seen: Seen) -> set[int]:
    """The ports that sshd is set to."""
    return {int(port) for port in seen.section("sshd").get("port", "").split()}


def is_local(address: str) -> bool:
    """Whether an address can be reached from the host itself only."""
    return address != "*" and ipaddress.ip_address(address).is_loopback
