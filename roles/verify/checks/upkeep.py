"""The clock is right and security updates arrive."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, fail, judge, not_applicable, ok
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """Time synchronisation and unattended upgrades, where the settings ask for them."""
    yield clock(seen)
    yield upgrades(seen)


def clock(seen: Seen) -> Check:
    """The clock is synchronised; a container has its machine's."""
    title = "time sync"
    if not seen.expected.time_sync:
        return not_applicable(title, "base.time_sync is off")
    if seen.section("machine")["container"]:
        return not_applicable(title, "a container has its machine's clock")
    state = seen.section("upkeep")["clock"]
    if state.get("NTP") != "yes":
        return fail(title, "no time service is enabled")
    synchronized = state.get("NTPSynchronized") == "yes"
    return ok(title, "enabled" + (", synchronized" if synchronized else ", not synchronized yet"))


def upgrades(seen: Seen) -> Check:
    """Security updates are installed every day."""
    title = "unattended upgrades"
    if not seen.expected.unattended_upgrades:
        return not_applicable(title, "base.unattended_upgrades is off")
    found = seen.section("upkeep")
    problems = []
    if found["upgrade_days"] in ("", "0"):
        problems.append("APT::Periodic::Unattended-Upgrade is off")
    if found["upgrade_timer"] != "enabled":
        problems.append(f"apt-daily-upgrade.timer is {found['upgrade_timer'] or 'missing'}")
    return judge(title, problems, "enabled")
