"""What verify and status say about the address that the balancers share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from groundcrew.results.result import Check, judge
from groundcrew.roles.haproxy.report import SharedAddress
from groundcrew.roles.haproxy.shared import UNIT
from groundcrew.verify.seen import Seen

TITLE = "shared address"


def check(addresses: Sequence[str], seen: Seen) -> Iterator[Check]:
    """Exactly one balancer holds the address, and the DNS knows it."""
    report: SharedAddress = seen.section("shared_address")
    yield judge(TITLE, list(problems(addresses, report)), told(addresses, report))
    wrong = [
        f"the DNS leads {name} to {', '.join(known) or 'no address'}"
        for name, known in report["names"].items()
        if not known or not set(known) <= set(addresses)
    ]
    if report["names"]:
        names = ", ".join(report["names"])
        yield judge(f"{TITLE}: names", wrong, f"{names}: {', '.join(addresses)}")


def problems(addresses: Sequence[str], report: SharedAddress) -> Iterator[str]:
    """What is wrong with the address."""
    first, mine, others = addresses[0], report["held"], report["others"]
    if report["unit"] != "active":
        yield f"{UNIT} is {report['unit'] or 'not there'}: this balancer cannot take the address"
    missing = [address for address in addresses if address not in mine]
    if mine and missing:
        yield f"holds {', '.join(mine)}, but not {', '.join(missing)}"
    if others is None:
        return
    macs = ", ".join(others)
    if mine and others:
        yield (
            f"{first} is held here and by another machine ({macs}): another program or host has "
            "it, or the balancers do not hear each other (haproxy.router_id, a packet filter "
            "between them)"
        )
    elif not mine and not others:
        yield f"nobody holds {first}"
    elif len(others) > 1:
        yield f"{first} is held by {len(others)} machines: {macs}"


def told(addresses: Sequence[str], report: SharedAddress) -> str:
    """Who holds the address, in words."""
    listed = ", ".join(addresses)
    if report["held"]:
        return f"{listed}: held here"
    where = "elsewhere" if report["others"] is None else "by another balancer"
    return f"{listed}: held {where}, this one stands by"


def status(addresses: Sequence[str], report: SharedAddress) -> Iterator[str]:
    """The state of the address."""
    wrong = list(problems(addresses, report))
    yield f"{TITLE}: {'; '.join(wrong) if wrong else told(addresses, report)}"
