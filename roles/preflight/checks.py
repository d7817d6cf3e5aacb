"""What a host offers against what is wanted of it: pure."""

from __future__ import annotations

import time
from collections.abc import Iterator

from groundcrew.columns import size, span
from groundcrew.facts.accounts import parse
from groundcrew.facts.resources import Owner, ResourceState
from groundcrew.memory import in_bytes, memory_plan
from groundcrew.remote.interpreter import satisfies
from groundcrew.results.result import Check, fail, judge, not_applicable, ok, warn
from groundcrew.sizes import size_for, sized
from roles.preflight.settings import PreflightSettings
from roles.preflight.wanted import EXECUTABLE, WRITABLE, Wanted

SYSTEM_PYTHON = "/usr/bin/python3"
"""The one that a run installs where it is missing."""
SHOWN = 3
"""Processes of a user that are named."""
KEPT = 0.1
"""Part of a machine's memory that kernel and firmware may keep for themselves."""


def run_checks(
    settings: PreflightSettings, wanted: Wanted, state: ResourceState, now: float | None = None
) -> list[Check]:
    """Every line, passed or not; `now` is this machine's clock."""
    return [
        *_system(settings, state),
        *_machine(settings, state),
        *_disks(settings, state),
        *_rights(state),
        *_accounts(wanted, state),
        *_ports(wanted, state),
        *_pythons(wanted, state),
        *_memory(settings, wanted, state),
        *_names(settings, state),
        *_connect(settings, state),
        *_clock(settings, state, time.time() if now is None else now),
    ]


def _system(settings: PreflightSettings, state: ResourceState) -> Iterator[Check]:
    found = f"{state['system']} {state['release']}".strip()
    good = not settings.debian or (
        state["system"] == "debian" and state["release"] in settings.debian
    )
    told = f"{found or 'unknown'}, Debian {' or '.join(settings.debian)} wanted"
    yield ok("system", found) if good else fail("system", f"{told} (preflight.debian)")


def _machine(settings: PreflightSettings, state: ResourceState) -> Iterator[Check]:
    few = state["cpus"] < settings.min_cpus
    told = f"{state['cpus']}, {settings.min_cpus} wanted"
    yield fail("CPUs", f"{told} (preflight.min_cpus)") if few else ok("CPUs", told)
    least = in_bytes(settings.min_memory)
    little = state["memory"] < least * (1 - KEPT)
    told = f"{size(state['memory'])}, {size(least)} wanted"
    yield fail("memory", f"{told} (preflight.min_memory)") if little else ok("memory", told)


def _disks(settings: PreflightSettings, state: ResourceState) -> Iterator[Check]:
    least = in_bytes(settings.min_disk)
    for path in ("/srv", "/var"):
        place = state["paths"][path]
        problems = []
        if place["free"] < least:
            problems.append(
                f"{size(place['free'])} free, {size(least)} wanted (preflight.min_disk)"
            )
        if place["inodes"] is not None and place["inodes"] < settings.min_inodes:
            problems.append(
                f"{place['inodes']} inodes free, {settings.min_inodes} wanted "
                "(preflight.min_inodes)"
            )
        yield judge(f"disk {path}", problems, f"{size(place['free'])} free, {size(least)} wanted")


def _rights(state: ResourceState) -> Iterator[Check]:
    read_only = [path for path in WRITABLE if not state["paths"][path]["writable"]]
    no_programs = [path for path in EXECUTABLE if not state["paths"][path]["executable"]]
    problems = [f"{path} cannot be written" for path in read_only]
    problems += [f"{path} is mounted noexec, programs run from there" for path in no_programs]
    yield judge("directories", problems, f"{', '.join(WRITABLE)} can be written")


def _accounts(wanted: Wanted, state: ResourceState) -> Iterator[Check]:
    states = parse(state["passwd"], state["group"])
    for claim in wanted.claims:
        name, refusal = f"accounts {claim.app}", claim.refusal(states)
        found = claim.strangers(states)
        taken = " and ".join(item.text for item in found)
        running = [
            f"{_process(owner)} of {item.user}"
            for item in found
            for owner in state["running"].get(item.user or "", [])
        ]
        if refusal:
            yield fail(name, refusal)
        elif running:
            many = f" and {len(running) - SHOWN} more" if len(running) > SHOWN else ""
            told = f"{', '.join(running[:SHOWN])}{many}"
            yield fail(name, f"{taken}: to be taken over, but still running {told}; stop that")
        elif found:
            yield warn(name, f"{taken}: taken over (app.{claim.app}.adopt)")
        else:
            yield ok(name, f"{', '.join(claim.names)}: free or ours already")


def _process(owner: Owner) -> str:
    return f"{owner['name']} (pid {owner['pid'] or '?'}{_of(owner)})"


def _ports(wanted: Wanted, state: ResourceState) -> Iterator[Check]:
    for port, units in sorted(wanted.ports.items()):
        others = [owner for owner in state["ports"][str(port)] if not _ours(owner, units)]
        if others:
            told = " and ".join(_process(owner) for owner in others)
            yield fail(f"port {port}", f"taken by {told}; stop it, or choose another port")
        else:
            used = bool(state["ports"][str(port)])
            yield ok(f"port {port}", "is ours already" if used else "is free")


def _ours(owner: Owner, units: tuple[str, ...]) -> bool:
    return any(
        owner["unit"].startswith(unit) if unit.endswith("@") else owner["unit"] == unit
        for unit in units
    )


def _of(owner: Owner) -> str:
    return f", {owner['unit']}" if owner["unit"] else ""


def _pythons(wanted: Wanted, state: ResourceState) -> Iterator[Check]:
    version, path = state["interpreter"], wanted.interpreter
    if version:
        yield ok("Python", f"{version} ({path})")
    elif path != SYSTEM_PYTHON:
        yield fail("Python", f"{path} cannot be run (python.interpreter)")
    for name, requires in sorted(wanted.requires.items()):
        # Of another version, its plan has said whether it will do.
        if version and wanted.apps[name].python is None and not satisfies(version, requires):
            yield fail(
                f"Python for {name}",
                f"{name}'s pyproject.toml requires {requires}, the host has {version} ({path}); "
                f"name a version that will do in app.{name}.python, and uv fetches it",
            )
    source = wanted.fetched_from
    for asked, found in sorted(state["pythons"].items()):
        names = ", ".join(name for name, app in wanted.apps.items() if app.python == asked)
        error = state["connect"].get(source, "")
        if found:
            yield ok(f"Python {asked}", f"for {names}: {found}")
        elif error:
            yield fail(
                f"Python {asked}",
                f"for {names}: the host has {version}, and {source}, where uv would fetch it, "
                f"cannot be reached: {error} (python.install_mirror)",
            )
        else:
            yield ok(f"Python {asked}", f"for {names}: uv fetches it from {source}")


def _memory(settings: PreflightSettings, wanted: Wanted, state: ResourceState) -> Iterator[Check]:
    if settings.memory_plan == "off" or not wanted.apps:
        return
    memory, name = state["memory"], "memory plan"
    apps = {
        key: sized(app, size_for(memory) if app.size == "auto" else app.size) if app.size else app
        for key, app in wanted.apps.items()
    }
    plan = memory_plan(apps)
    if not plan.steady:
        yield not_applicable(name, "no application has a memory limit (limits.memory_max)")
        return
    parts = ", ".join(
        f"{share.app} {share.part} {f'{share.count} x ' if share.count > 1 else ''}"
        f"{size(share.each)}"
        for share in plan.shares
        if share.each
    )
    rest = f"; without a limit: {', '.join(plan.unlimited)}" if plan.unlimited else ""
    told = f"limits come to {size(plan.steady)} of {size(memory)} ({parts}{rest})"
    if plan.steady > memory:
        bad = fail if settings.memory_plan == "error" else warn
        yield bad(name, f"{told}; lower limits.memory_max, or set preflight.memory_plan")
    elif plan.switching > memory:
        yield warn(
            name,
            f"{told}; {size(plan.switching)} while a release replaces another "
            "(release.strategy: restart needs no more than before)",
        )
    else:
        yield ok(name, f"{told}; {size(plan.switching)} while a release replaces another")


def _names(settings: PreflightSettings, state: ResourceState) -> Iterator[Check]:
    for name, addresses in state["names"].items():
        title = f"name {name}"
        yield ok(title, ", ".join(addresses)) if addresses else fail(title, "is not resolved")
    if not settings.dns:
        yield not_applicable("names", "preflight.dns is off")


def _connect(settings: PreflightSettings, state: ResourceState) -> Iterator[Check]:
    for place in settings.connect:
        name, error = f"connect {place}", state["connect"][place]
        yield fail(name, error) if error else ok(name, "answers")


def _clock(settings: PreflightSettings, state: ResourceState, now: float) -> Iterator[Check]:
    if settings.max_clock_skew is None:
        return
    skew = abs(now - state["time"])
    told = f"{span(skew)} from this machine's, at most {span(settings.max_clock_skew)} wanted"
    bad = skew > settings.max_clock_skew
    yield fail("clock", f"{told} (preflight.max_clock_skew)") if bad else ok("clock", told)
