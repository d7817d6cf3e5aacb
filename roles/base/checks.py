"""Checks of the base: clock, security updates, kernel parameters, names, AppArmor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from groundcrew.results.result import Check, fail, judge, not_applicable, ok
from groundcrew.roles.base.report import AppArmor, Upkeep
from groundcrew.roles.base.settings import BaseSettings
from groundcrew.verify.seen import Seen


def upkeep(settings: BaseSettings, seen: Seen) -> Iterator[Check]:
    """Checks time synchronisation, unattended upgrades, kernel parameters and names, as
    configured."""
    yield clock(seen, wanted=settings.time_sync)
    yield upgrades(seen, wanted=settings.unattended_upgrades)
    if parameters := kernel_parameters(settings):
        yield kernel(parameters, seen)
    if hosts := local_hosts(settings):
        yield names(hosts, seen)


def kernel_parameters(settings: BaseSettings) -> dict[str, str]:
    """Kernel parameter -> value, as the kernel prints it."""
    return {
        key: " ".join(str(value).split())
        for key, value in settings.sysctl.items()
        if value is not None
    }


def local_hosts(settings: BaseSettings) -> dict[str, str]:
    """Name in /etc/hosts -> address."""
    return {name: address for name, address in settings.hosts.items() if address}


def clock(seen: Seen, *, wanted: bool) -> Check:
    """Time synchronisation is enabled. Not applicable in a container, which shares the clock."""
    title = "time sync"
    if not wanted:
        return not_applicable(title, "base.time_sync is off")
    if seen.section("machine")["container"]:
        return not_applicable(title, "a container has its machine's clock")
    upkeep: Upkeep = seen.section("upkeep")
    state = upkeep["clock"]
    if state.get("NTP") != "yes":
        return fail(title, "no time service is enabled")
    synchronized = state.get("NTPSynchronized") == "yes"
    return ok(title, "enabled" + (", synchronized" if synchronized else ", not synchronized yet"))


def upgrades(seen: Seen, *, wanted: bool) -> Check:
    """Unattended upgrades run every day."""
    title = "unattended upgrades"
    if not wanted:
        return not_applicable(title, "base.unattended_upgrades is off")
    upkeep: Upkeep = seen.section("upkeep")
    problems = []
    if upkeep["upgrade_days"] in ("", "0"):
        problems.append("APT::Periodic::Unattended-Upgrade is off")
    if upkeep["upgrade_timer"] != "enabled":
        problems.append(f"apt-daily-upgrade.timer is {upkeep['upgrade_timer'] or 'missing'}")
    return judge(title, problems, "enabled")


def kernel(parameters: Mapping[str, str], seen: Seen) -> Check:
    """Writable kernel parameters have their values: a boot or a package may have changed them."""
    values: dict[str, str] = seen.section("sysctl")
    wanted = {key: value for key, value in parameters.items() if key in values}
    problems = [
        f"{key} is {values[key]}, not {value}"
        for key, value in sorted(wanted.items())
        if values[key] != value
    ]
    title = "kernel parameters"
    if not wanted:
        return not_applicable(title, "a container may set none")
    return judge(title, problems, f"{len(wanted)} as they are set")


def names(hosts: Mapping[str, str], seen: Seen) -> Check:
    """The host resolves the names of `base.hosts`: another program may have rewritten
    /etc/hosts."""
    addresses: dict[str, str] = seen.section("hosts")
    problems = [
        f"{name} is {addresses.get(name) or 'missing'}, not {address}"
        for name, address in sorted(hosts.items())
        if addresses.get(name) != address
    ]
    return judge("names in /etc/hosts", problems, ", ".join(sorted(hosts)))


def apparmor(seen: Seen, *, wanted: bool) -> Iterator[Check]:
    """AppArmor is enabled and profiles are enforced. Not applicable in a container."""
    title = "AppArmor"
    if not wanted:
        yield not_applicable(title, "base.apparmor is off")
        return
    if seen.section("machine")["container"]:
        yield not_applicable(title, "a container has none of its own")
        return
    section: AppArmor = seen.section("apparmor")
    if not section["kernel"]:
        yield not_applicable(title, "this kernel does not have it")
    elif not section["enabled"]:
        yield fail(
            title, "off by the kernel's command line (apparmor=0 or another security module)"
        )
    elif not section["enforced"]:
        yield fail(title, "on, but no profile is loaded")
    else:
        yield ok(title, f"{section['enforced']} profiles are enforced")
