"""Checks that apply to every host, whatever its roles."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator

from groundcrew.results.result import Check, judge
from groundcrew.verify.seen import Seen


def listening(seen: Seen) -> Iterator[Check]:
    """Only declared ports and sshd's are open on public addresses."""
    declared = seen.all_declared_ports
    sockets = seen.section("listening")
    public = [item for item in sockets if not is_local(item["address"])]
    problems = {
        f"{item['process']} listens on {item['address']}:{item['port']}": None
        for item in public
        if item["port"] not in declared
    }
    ports = ", ".join(str(port) for port in sorted({item["port"] for item in public}))
    yield judge("listening sockets", list(problems), f"only declared ports: {ports}")


def is_local(address: str) -> bool:
    """Whether an address is a loopback address."""
    return address != "*" and ipaddress.ip_address(address).is_loopback


def services(wanted: Collection[str], seen: Seen) -> Iterator[Check]:
    """The units that roles have started are active."""
    states = seen.section("services")
    problems = [
        f"{unit} is {state.get('ActiveState')} ({state.get('SubState')}): journalctl -u {unit}"
        for unit in sorted(wanted)
        if (state := states.get(unit, {})).get("ActiveState") != "active"
    ]
    yield judge("services", problems, f"{', '.join(sorted(wanted))} running")
