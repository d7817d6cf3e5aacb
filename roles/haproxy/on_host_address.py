"""What runs on a balancer as root, about the address that the balancers share.

The request is that of `roles/haproxy/shared.py`: {"unit", "addresses": [ADDRESS], "interface",
"configuration", "drop_in", "check": [WORD], "names": [NAME], "settle"}. Standard library only.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import last_line, run
from groundcrew.roles.haproxy.on_host_interface import chosen, routes

if TYPE_CHECKING:
    # Types of the reports, shared with the checks; never sent to a host.
    from groundcrew.roles.haproxy.report import Holders, SharedAddress

Data = dict[str, Any]
WAIT = 0.2
LISTEN = 0.4
"""Seconds in which others of the network must say that they hold the address."""

TAKEN = 10.0
"""Seconds in which another balancer must have taken the address."""

SERVES = 30.0
"""Seconds in which keepalived and HAProxy must serve after a start."""

ARP, IPV4 = 0x0806, 0x0800
BROADCAST = b"\xff" * 6


class AddressError(Exception):
    """The address is not where it should be; the message says why."""


def local_addresses() -> dict[str, str]:
    """Address -> interface, of this host."""
    items = json.loads(run("ip", "-j", "address", "show").stdout or "[]")
    return {
        address["local"]: item["ifname"]
        for item in items
        for address in item.get("addr_info", ())
        if "local" in address
    }


def held(request: Data) -> list[str]:
    """The shared addresses that this host holds."""
    mine = local_addresses()
    return [address for address in request["addresses"] if address in mine]


def interface_of(request: Data, address: str) -> str:
    """The interface that leads to an address. Raises AddressError if none does."""
    if request["interface"]:
        return str(request["interface"])
    name = chosen(routes(address))
    if name is None:
        raise AddressError(f"no route leads to {address}: set haproxy.interface")
    return name


def others(interface: str, address: str) -> list[str]:
    """The hardware addresses of other machines that hold an IPv4 address, as they answer to the
    question that RFC 5227 provides for this."""
    wanted = socket.inet_aton(address)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP)) as connection:
        connection.bind((interface, ARP))
        mine = connection.getsockname()[4]
        question = struct.pack("!HHBBH6s4s6s4s", 1, IPV4, 6, 4, 1, mine, bytes(4), bytes(6), wanted)
        connection.send(BROADCAST + mine + struct.pack("!H", ARP) + question)
        answers: set[str] = set()
        deadline = time.monotonic() + LISTEN
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                frame = connection.recv(2048)
            except socket.timeout:  # noqa: UP041 - what Python 3.9 raises
                break
            answers.update(holder(frame, wanted))
        return sorted(answers)


def holder(frame: bytes, address: bytes) -> list[str]:
    """Who says in a frame that it has the address."""
    if len(frame) < 42 or struct.unpack("!H", frame[20:22])[0] != 2 or frame[28:32] != address:
        return []
    return [":".join(f"{byte:02x}" for byte in frame[22:28])]


def state(request: Data) -> Holders:
    """Who holds the address, as this host sees it."""
    address = request["addresses"][0]
    mine = held(request)
    known = [] if ":" in address else others(interface_of(request, address), address)
    return {"held": mine, "others": None if ":" in address else known}


def settled(request: Data, told: Holders) -> bool:
    """Whether exactly one balancer holds all addresses, as far as this host can see."""
    mine = len(told["held"])
    if told["others"] is None:
        return mine in (0, len(request["addresses"]))
    return (mine, len(told["others"])) in ((len(request["addresses"]), 0), (0, 1))


def shared_address(request: Data) -> SharedAddress:
    """What verify and status tell. With `ask`, it waits until one balancer has taken the address,
    and looks up the applications' names."""
    unit = run("systemctl", "is-active", request["unit"]).stdout.strip()
    deadline = time.monotonic() + (request["settle"] if request.get("ask") else 0)
    told = state(request)
    while not settled(request, told) and time.monotonic() < deadline:
        time.sleep(WAIT)
        told = state(request)
    names = request["names"] if request.get("ask") else []
    return {**told, "unit": unit, "names": {name: looked_up(name) for name in names}}


def looked_up(name: str) -> list[str]:
    """The addresses of a name."""
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(item[4][0]) for item in answers})


def differences(request: Data) -> list[str]:
    """What is left of an address that the balancers do not share any more."""
    left = [
        path for path in (request["configuration"], request["drop_in"]) if os.path.lexists(path)
    ]
    return ["the balancers share no address any more: keepalived is stopped"] if left else []


def converge(request: Data) -> None:
    """Stops keepalived, which takes the address away, and removes its files."""
    run("systemctl", "disable", "--now", request["unit"])
    for path in (request["configuration"], request["drop_in"]):
        Path(path).unlink(missing_ok=True)
    run("systemctl", "daemon-reload")


def hand_over(request: Data) -> bool:
    """Lets another balancer take the address, if this one holds it; whether it did. Raises
    AddressError if no other takes it. Whatever it raises, it takes the address back."""
    if not held(request):
        return False
    address = request["addresses"][0]
    try:
        run("systemctl", "stop", request["unit"])
        deadline = time.monotonic() + TAKEN
        while time.monotonic() < deadline:
            if answers(request, address):
                return True
            time.sleep(WAIT)
        raise AddressError(f"no other balancer has taken {address}: see playbooks/status.py")
    except BaseException:
        # Whatever ends it, nobody else may hold the address.
        run("systemctl", "start", request["unit"])
        raise


def answers(request: Data, address: str) -> bool:
    """Whether another machine holds an address."""
    if ":" not in address:
        return bool(others(interface_of(request, address), address))
    try:
        with socket.create_connection((address, request["port"]), timeout=1):
            return True
    except OSError:
        return False


def stand_by(request: Data) -> str:
    """Starts keepalived again, and waits until this host could take the address. Returns why it
    could not; empty if it could."""
    run("systemctl", "start", request["unit"])
    deadline = time.monotonic() + max(SERVES, request.get("seconds", 0))
    while True:
        why = unfit(request)
        if not why or time.monotonic() > deadline:
            return why
        time.sleep(WAIT)


def unfit(request: Data) -> str:
    """Why this host could not take the address."""
    if run("systemctl", "is-active", request["unit"]).returncode != 0:
        return f"{request['unit']} does not run: see its journal"
    asked = run(*request["check"])
    if asked.returncode != 0:
        return last_line(asked.stderr) or "HAProxy does not serve"
    return ""
