"""The preflight checks. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from groundcrew.columns import size, span
from groundcrew.facts.accounts import parse
from groundcrew.facts.resources import Owner, ResourceState
from groundcrew.memory import in_bytes, memory_plan
from groundcrew.remote.interpreter import satisfies
from groundcrew.results.result import Check, fail, judge, not_applicable, ok, warn
from groundcrew.roles.preflight.settings import PreflightSettings
from groundcrew.roles.preflight.wanted import EXECUTABLE, WRITABLE, Wanted
from groundcrew.sizes import size_for, sized

SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's Python, which the run installs if it is missing."""
SHOWN = 3
"""Maximum number of a user's processes that a message names."""
KEPT = 0.1
"""Share of the memory that kernel and firmware may reserve."""


def run_checks(
    settings: PreflightSettings, wanted: Wanted, state: ResourceState, now: float | None = None
) -> list[Check]:
    """All results, passed or not. `now` is the clock of the operator's machine, in Unix time."""
    return [
        *_system(settings, state),
        *_machine(settings, state),
        *_disks(settings, state),
        *_rights(state),
        *_accounts(wanted, state),
        *_ports(wanted, state),
        *_pythons(wanted, state),
        *_memory(settings, wanted, state),
        *_connections(wanted, state),
        *_secrets(wanted),
        *_names(settings, state),
        *_connect([*settings.connect, *wanted.places], state),
        *_clock(settings, state, time.time() if now is None else now),
    ]


def _system(settings: PreflightSettings, state: ResourceState) -> Iterator[Check]:
    system = f"{state['system']} {state['release']}".strip()
    good = not settings.debian or (
        state["system"] == "debian" and state["release"] in settings.debian
    )
    detail = f"{system or 'unknown'}, needs Debian {' or '.join(settings.debian)}"
    yield ok("system", system) if good else fail("system", f"{detail} (preflight.debian)")


def _machine(settings: PreflightSettings, state: ResourceState) -> Iterator[Check]:
    few = state["cpus"] < settings.min_cpus
    detail = f"{state['cpus']}, needs {settings.min_cpus}"
    yield fail("CPUs", f"{detail} (preflight.min_cpus)") if few else ok("CPUs", detail)
    least = in_bytes(settings.min_memory)
    little = state["memory"] < least * (1 - KEPT)
    detail = f"{size(state['memory'])}, needs {size(least)}"
    yield fail("memory", f"{detail} (preflight.min_memory)") if little else ok("memory", detail)


def _disks(settings: PreflightSettings, state: ResourceState) -> Iterator[Check]:
    least = in_bytes(settings.min_disk)
    for path in ("/srv", "/var"):
        place = state["paths"][path]
        problems = []
        if place["free"] < least:
            problems.append(f"{size(place['free'])} free, needs {size(least)} (preflight.min_disk)")
        if place["inodes"] is not None and place["inodes"] < settings.min_inodes:
            problems.append(
                f"{place['inodes']} inodes free, needs {settings.min_inodes} (preflight.min_inodes)"
            )
        yield judge(f"disk {path}", problems, f"{size(place['free'])} free, needs {size(least)}")


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
        strangers = claim.strangers(states)
        taken = " and ".join(item.text for item in strangers)
        running = [
            f"{_process(owner)} of {item.user}"
            for item in strangers
            for owner in state["running"].get(item.user or "", [])
        ]
        if refusal:
            yield fail(name, refusal)
        elif running:
            many = f" and {len(running) - SHOWN} more" if len(running) > SHOWN else ""
            shown = f"{', '.join(running[:SHOWN])}{many}"
            yield fail(
                name, f"{taken}: cannot be taken over while it runs {shown}; stop that first"
            )
        elif strangers:
            yield warn(name, f"{taken}: taken over (app.{claim.app}.adopt)")
        else:
            yield ok(name, f"{', '.join(claim.names)}: free or ours already")


def _process(owner: Owner) -> str:
    return f"{owner['name']} (pid {owner['pid'] or '?'}{_of(owner)})"


def _ports(wanted: Wanted, state: ResourceState) -> Iterator[Check]:
    for port, units in sorted(wanted.ports.items()):
        others = [owner for owner in state["ports"][str(port)] if not _ours(owner, units)]
        if others:
            taken_by = " and ".join(_process(owner) for owner in others)
            yield fail(f"port {port}", f"taken by {taken_by}; stop it, or choose another port")
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
        # For an application with `python`, the release plan has checked this.
        if version and wanted.apps[name].python is None and not satisfies(version, requires):
            yield fail(
                f"Python for {name}",
                f"{name}'s pyproject.toml requires {requires}, the host has {version} ({path}); "
                f"name a version that will do in app.{name}.python, and uv fetches it",
            )
    source = wanted.fetched_from
    for asked, available in sorted(state["pythons"].items()):
        names = ", ".join(name for name, app in wanted.apps.items() if app.python == asked)
        error = state["connect"].get(source, "")
        if available:
            yield ok(f"Python {asked}", f"for {names}: {available}")
        elif error:
            yield fail(
                f"Python {asked}",
                f"for {names}: the host has {version}, and {source}, where uv would fetch it, "
                f"cannot be reached: {error} (python.install_mirror)",
            )
        else:
            yield ok(f"Python {asked}", f"for {names}: uv fetches it from {source}")


def _memory(settings: PreflightSettings, wanted: Wanted, state: ResourceState) -> Iterator[Check]:
    if settings.memory_plan == "off" or not (wanted.apps or wanted.memory):
        return
    memory, name = state["memory"], "memory plan"
    apps = {
        key: sized(app, size_for(memory) if app.size == "auto" else app.size) if app.size else app
        for key, app in wanted.apps.items()
    }
    plan = memory_plan(apps, wanted.memory)
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
    reserve = in_bytes(settings.memory_reserve)
    only_without = plan.steady <= memory < plan.steady + reserve
    kept = f", of which {size(reserve)} are reserved" if only_without else ""
    detail = f"limits come to {size(plan.steady)} of {size(memory)}{kept} ({parts}{rest})"
    if plan.steady + reserve > memory:
        bad = fail if settings.memory_plan == "error" else warn
        yield bad(name, f"{detail}; lower limits.memory_max, or set preflight.memory_plan")
    elif plan.switching > memory:
        yield warn(
            name,
            f"{detail}; {size(plan.switching)} while a release replaces another "
            "(release.strategy: restart needs no more than before)",
        )
    else:
        yield ok(name, f"{detail}; {size(plan.switching)} while a release replaces another")


def _connections(wanted: Wanted, state: ResourceState) -> Iterator[Check]:
    """Budgets in which the number of processes follows from the host: all hosts are taken to be
    like this one. The others were checked before connecting."""
    for budget in wanted.budgets:
        cpus, memory = state["cpus"], state["memory"]
        total = sum(line.connections for line in budget.lines(cpus, memory))
        detail = f"at most {total} of {budget.allowed} connections"
        problem = budget.refusal(cpus, memory)
        yield judge(f"budget {budget.service}", [problem] if problem else [], detail)


def _secrets(wanted: Wanted) -> Iterator[Check]:
    """Looked at without reading any: a deploy reads them, this may run where nobody may."""
    if wanted.secrets is not None:
        yield judge("secrets", list(wanted.secrets), "this machine has what they come from")


def _names(settings: PreflightSettings, state: ResourceState) -> Iterator[Check]:
    for name, addresses in state["names"].items():
        title = f"name {name}"
        yield ok(title, ", ".join(addresses)) if addresses else fail(title, "is not resolved")
    if not settings.dns:
        yield not_applicable("names", "preflight.dns is off")


def _connect(places: Iterable[str], state: ResourceState) -> Iterator[Check]:
    for place in places:
        name, error = f"connect {place}", state["connect"][place]
        yield fail(name, error) if error else ok(name, "answers")


def _clock(settings: PreflightSettings, state: ResourceState, now: float) -> Iterator[Check]:
    if settings.max_clock_skew is None:
        return
    skew = abs(now - state["time"])
    detail = f"{span(skew)} from this machine's, at most {span(settings.max_clock_skew)} allowed"
    bad = skew > settings.max_clock_skew
    yield fail("clock", f"{detail} (preflight.max_clock_skew)") if bad else ok("clock", detail)
