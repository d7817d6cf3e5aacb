"""The host asks applications for their health after their release too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from groundcrew import remote
from groundcrew.contract import Brings, Reads, Renewal, StatusLines
from groundcrew.entries import Absent, Directory, Entry, File
from groundcrew.manifest.health import Poll
from groundcrew.manifest.model import AppSettings
from groundcrew.results.result import Check, fail, ok, warn
from groundcrew.roles.app.report import Health
from groundcrew.services import Service
from groundcrew.templates import render
from groundcrew.verify.seen import Seen

PROGRAMS = "/usr/local/lib/groundcrew"
PROGRAM = f"{PROGRAMS}/watch_health.py"
ON_HOST = "groundcrew.roles.app.on_host_health"


def polled(apps: Mapping[str, AppSettings]) -> dict[str, Poll]:
    """The applications that are asked, and how often."""
    return {name: poll for name, app in sorted(apps.items()) if (poll := app.health.poll)}


def brings(apps: Mapping[str, AppSettings]) -> Brings:
    """The program, a unit for each application, and the check."""
    polls = polled(apps)
    silent: list[Entry] = [Absent(unit_file(name)) for name in sorted(apps) if name not in polls]
    if not polls:
        return Brings(files=[*silent, Absent(PROGRAM)])
    reads = Reads(ON_HOST, ("health",), {"apps": list(polls)})
    return Brings(
        files=[*silent, *entries(polls)],
        services=[Service(unit(name), (unit_file(name), PROGRAM)) for name in polls],
        reads=[reads],
        checks={"health": partial(health, polls)},
        status=[StatusLines("health", reads, status)],
        renewals=[Renewal(unit(name)) for name in polls],
    )


def unit(name: str) -> str:
    """The unit that asks an application."""
    return f"groundcrew-health-{name}.service"


def unit_file(name: str) -> str:
    """The file of that unit. An application that is not asked any more has none; the program has
    ended by itself then."""
    return f"/etc/systemd/system/{unit(name)}"


def entries(names: Iterable[str]) -> list[Entry]:
    """The program and its units."""
    return [
        Directory(PROGRAMS),
        File(PROGRAM, remote.source("watch_health"), mode="0700"),
        *(
            File(unit_file(name), render("app/health.service.j2", program=PROGRAM, name=name))
            for name in names
        ),
    ]


def health(polls: Mapping[str, Poll], seen: Seen) -> Iterator[Check]:
    """Applications answer the host, and were not restarted within the last hour."""
    section: dict[str, dict[str, Health]] = seen.section("health")
    for name, poll in polls.items():
        failing = [text for text, bad in told(section[name]) if bad]
        restarted = [text for text, bad in told(section[name]) if not bad]
        if failing:
            yield fail(f"{name}: health", "; ".join(failing))
        elif restarted:
            yield warn(f"{name}: health", "; ".join(restarted))
        else:
            yield ok(f"{name}: health", f"asked every {poll.interval:g} s, and answers")


def status(section: Mapping[str, Mapping[str, Health]]) -> Iterator[str]:
    """Lines of `playbooks/status.py`; none if all is well."""
    for units in section.values():
        yield from (text for text, _ in told(units))


def told(units: Mapping[str, Health]) -> Iterator[tuple[str, bool]]:
    """What there is to tell about each unit, and whether it is not healthy now."""
    for name, state in sorted(units.items()):
        count = len(state["restarts"])
        restarts = f"restarted {count} times within the last hour, as it did not answer"
        if state["why"]:
            yield f"{name}: {state['why']}" + (f"; {restarts}" if count else ""), True
        elif count:
            yield f"{name} was {restarts}", False
