"""What a run tells besides its operations: what they change, releases, results, what serves.

Operations add to it as they work; `groundcrew/report` reads it at the end of a run. It costs no
command, and nothing in it may be secret: it has paths and names, never contents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyinfra.api import Host

from groundcrew.results.result import Check

MOST = 200
"""Lines that are kept of one operation, or of one title."""


@dataclass
class Release:
    """A release that a host switches to."""

    app: str
    before: str | None
    """The release that served before; None if none did."""

    after: str
    live: bool = False
    """Whether it has gone live. It may go back later."""

    packages: Mapping[str, Any] | None = None
    """What `groundcrew.releases.bills` found; None if it was not looked at."""


@dataclass
class HostRecord:
    """What one host has told."""

    changes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Operation's hash -> what it changes."""

    checks: dict[str, list[Check]] = field(default_factory=dict)
    """Title -> results."""

    releases: list[Release] = field(default_factory=list)
    serving: dict[str, str | None] = field(default_factory=dict)
    """Application -> live release, as last seen."""

    releasing: set[str] = field(default_factory=set)
    """Applications that the run releases, and whose live releases it leaves alone until then."""

    told: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Title -> lines, such as those of a drill."""


@dataclass
class Record:
    """What this process's run has told."""

    path: str | None = None
    """File that the report is written to; None if there is none."""

    folded: bool = False
    """Whether the run prints what changes and what fails, without details that are as expected."""

    error: str = ""
    """What ended the run without a host at fault."""

    hosts: dict[str, HostRecord] = field(default_factory=lambda: defaultdict(HostRecord))


RECORD = Record()


def of(host: Host) -> HostRecord:
    """The record of a host."""
    return RECORD.hosts[host.name]


def change(host: Host, lines: Iterable[str]) -> None:
    """Records what the host's current operation changes."""
    if host.executing_op_hash is not None:
        _add(of(host).changes[host.executing_op_hash], lines)


def detail(host: Host, text: str) -> None:
    """Prints a line of a host, unless the run leaves out details."""
    if not RECORD.folded:
        host.log(text)


def checks(host: Host, title: str, results: Sequence[Check]) -> None:
    """Records results of a host."""
    of(host).checks[title] = list(results)


def serving(host: Host, live: Mapping[str, str | None]) -> None:
    """Records which release of which application serves."""
    of(host).serving.update(live)


def releasing(host: Host, apps: Iterable[str]) -> None:
    """Records which applications the run releases, if all goes well."""
    of(host).releasing.update(apps)


def release(host: Host, app: str, before: str | None, after: str) -> Release:
    """Records that a host begins to switch to a release; a restart of the live one is none."""
    item = Release(app, before, after)
    if host.state.is_executing and before != after:
        of(host).releases.append(item)
    return item


def tell(host: Host, title: str, lines: Iterable[str]) -> None:
    """Records lines for people."""
    _add(of(host).told[title], lines)


def _add(kept: list[str], lines: Iterable[str]) -> None:
    kept += list(lines)[: MOST - len(kept)]
