"""The packet filter hides what is not declared."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, fail, judge, not_applicable, ok
from roles.verify.checks.listening import ssh_ports
from roles.verify.outside import is_loopback
from roles.verify.seen import Seen

INSIDE = "firewall: policy"
OUTSIDE = "firewall: from outside"


def check(seen: Seen) -> Iterator[Check]:
    """By its rules, and as seen from the operator's machine over IPv4 and IPv6."""
    if not seen.expected.firewall:
        yield not_applicable("firewall", "firewall.enabled is off")
        return
    families = seen.section("packet_filter")["families"]
    if "inet" in families or {"ip", "ip6"} <= set(families):
        yield ok(INSIDE, "incoming packets are dropped unless a rule accepts them")
    else:
        found = ", ".join(families) or "none"
        yield fail(INSIDE, f"families whose input is dropped by default: {found}")
    if hidden := cannot_see(seen):
        yield not_applicable(OUTSIDE, hidden)
        return
    for address in probed_addresses(seen):
        yield judge_address(seen, address)


def cannot_see(seen: Seen) -> str | None:
    """Why the operator's machine cannot judge the packet filter, or None."""
    if is_loopback(seen.address):
        return "the operator's machine reaches the host on its own loopback"
    if seen.settings.http_port:
        return "the host is reached through published ports (verify.http_port)"
    return None


def probed_addresses(seen: Seen) -> list[str]:
    """Where the host is reached, and its public IPv6 addresses."""
    return list(dict.fromkeys([seen.address, *seen.section("machine")["ipv6"]]))


def open_ports(seen: Seen) -> list[int]:
    """Ports that must answer."""
    ports = {port for app in seen.expected.apps.values() for port in app.ports}
    return sorted(ports | ssh_ports(seen))


def closed_ports(seen: Seen) -> list[int]:
    """Ports that must not answer: one on which a program does listen, and some well-known ones."""
    declared = {*seen.expected.declared_ports, *seen.settings.listening, *open_ports(seen)}
    sample = [port for port in seen.settings.firewall_ports if port not in declared]
    return [seen.section("listener")["port"], *sample]


def judge_address(seen: Seen, address: str) -> Check:
    """What answers at one address."""
    title = f"{OUTSIDE} ({'IPv6' if ':' in address else 'IPv4'})"
    opened, closed = open_ports(seen), closed_ports(seen)
    answering = [port for port in opened if seen.reached[address, port]]
    leaking = [port for port in closed if seen.reached[address, port]]
    if leaking:
        listed = ", ".join(str(port) for port in leaking)
        return fail(title, f"{address} answers on undeclared ports: {listed}")
    if not answering and address != seen.address:
        return not_applicable(title, f"the operator's machine has no way to {address}")
    silent = [port for port in opened if port not in answering]
    problems = [f"{address} does not answer on port {port}" for port in silent]
    return judge(
        title,
        problems,
        f"{address} answers on {', '.join(str(port) for port in answering)} and hides a program "
        f"listening on {closed[0]}",
    )
