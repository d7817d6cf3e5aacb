"""What verify and status say about libraries that updates have replaced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from groundcrew.results.result import Check, fail, ok, warn
from groundcrew.roles.renewal.report import Renewals
from groundcrew.roles.renewal.settings import RenewalSettings
from groundcrew.verify.seen import Seen

TITLE = "libraries"
SHOWN = 3
"""Number of file names that are shown."""


def libraries(settings: RenewalSettings, seen: Seen) -> Iterator[Check]:
    """No unit runs libraries that an update has replaced, for longer than until the next
    window."""
    section: Renewals = seen.section("renewal")
    if not section["planned"]:
        yield fail(TITLE, "the host is not set up for renewals yet: run deploy.py")
        return
    for unit, why in section["failed"].items():
        yield fail(f"{TITLE}: {unit}", f"{why}; playbooks/renew.py tries again")
    for unit, item in section["left"].items():
        yield warn(f"{TITLE}: {unit}", f"still runs {_names(item['files'])}: {item['why']}")
    if section["waiting"]:
        units = ", ".join(f"{unit} ({_names(names)})" for unit, names in section["waiting"].items())
        when = f"at {settings.at}, or now" if settings.enabled else "(renewal.enabled is off)"
        yield warn(TITLE, f"replaced, and still run by {units}: playbooks/renew.py, {when}")
    elif not (section["left"] or section["failed"]):
        yield ok(TITLE, "nothing runs one that an update has replaced")


def status(section: Renewals) -> Iterator[str]:
    """Lines of `playbooks/status.py`; none if there is nothing to tell."""
    for unit, names in section["waiting"].items():
        yield f"{unit} still runs what an update has replaced: {_names(names)}"
    for unit, item in section["left"].items():
        yield f"{unit} still runs {_names(item['files'])}: {item['why']}"
    for unit, why in section["failed"].items():
        yield f"{unit} could not be renewed: {why}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
