"""Check that the packet filter hides undeclared ports."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, fail, judge, not_applicable, ok
from groundcrew.roles.firewall.report import Listener, PacketFilter
from groundcrew.verify.outside import Reached, is_loopback, patience
from groundcrew.verify.seen import Seen

INSIDE = "firewall: policy"
OUTSIDE = "firewall: from outside"


def off(seen: Seen) -> Iterator[Check]:
    """Reports that the packet filter is off."""
    del seen
    yield not_applicable("firewall", "firewall.enabled is off")


def check(seen: Seen) -> Iterator[Check]:
    """Checks the rules, and what the operator's machine reaches over IPv4 and IPv6."""
    report: PacketFilter = seen.section("packet_filter")
    families = report["families"]
    if "inet" in families or {"ip", "ip6"} <= set(families):
        yield ok(INSIDE, "incoming packets are dropped unless a rule accepts them")
    else:
        present = ", ".join(families) or "none"
        yield fail(INSIDE, f"families whose input is dropped by default: {present}")
    if hidden := cannot_see(seen):
        yield not_applicable(OUTSIDE, hidden)
        return
    reached = reachable_ports(seen)
    for address in probed_addresses(seen):
        yield judge_address(seen, address, reached)


def reachable_ports(seen: Seen) -> Reached:
    """Which of the open and closed ports answer, per address."""
    addresses, limit = probed_addresses(seen), seen.view.connect_timeout
    opened, seconds = seen.view.reach(addresses, open_ports(seen), limit)
    hidden, _ = seen.view.reach(addresses, closed_ports(seen), patience(seconds, limit))
    return {**opened, **hidden}


def cannot_see(seen: Seen) -> str | None:
    """Why the operator's machine cannot test the packet filter; None if it can."""
    if is_loopback(seen.view.address):
        return "the operator's machine reaches the host on its own loopback"
    if seen.view.published:
        return "the host is reached through published ports (verify.http_port)"
    return None


def probed_addresses(seen: Seen) -> list[str]:
    """The address that the host is reached at, and its public IPv6 addresses."""
    return list(dict.fromkeys([seen.view.address, *seen.section("machine")["ipv6"]]))


def open_ports(seen: Seen) -> list[int]:
    """Ports that must answer."""
    return sorted({*seen.answering_ports, *seen.ssh_ports})


def closed_ports(seen: Seen) -> list[int]:
    """Ports that must not answer: the test port, where a program does listen, and well-known
    ports."""
    declared = {*seen.all_declared_ports, *open_ports(seen)}
    sample = [port for port in seen.view.silent_ports if port not in declared]
    listener: Listener = seen.section("listener")
    return [listener["port"], *sample]


def judge_address(seen: Seen, address: str, reached: Reached) -> Check:
    """The result for one address."""
    title = f"{OUTSIDE} ({'IPv6' if ':' in address else 'IPv4'})"
    opened, closed = open_ports(seen), closed_ports(seen)
    answering = [port for port in opened if reached[address, port]]
    leaking = [port for port in closed if reached[address, port]]
    if leaking:
        listed = ", ".join(str(port) for port in leaking)
        return fail(title, f"{address} answers on undeclared ports: {listed}")
    if not answering and address != seen.view.address:
        return not_applicable(title, f"the operator's machine has no way to {address}")
    silent = [port for port in opened if port not in answering]
    problems = [f"{address} does not answer on port {port}" for port in silent]
    return judge(
        title,
        problems,
        f"{address} answers on {', '.join(str(port) for port in answering)} and hides a program "
        f"listening on {closed[0]}",
    )
