"""The lines of a run: roles with their seconds, the table of hosts, URLs. Pure functions, but for
the colours, which `styled` adds if the terminal wants them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence

import click

from groundcrew.columns import columns
from groundcrew.console.facts import HostFacts, RoleTime, Served, Untouched
from groundcrew.terminal import cells, folded, padded

INDENT = "  "
ROLE = 11
"""Columns of a role's name at least."""

SECONDS = 8
"""Columns of a role's time, such as `1234.5 s`."""

HOSTS_SHOWN = 5
URLS_SHOWN = 20
APPS_SHOWN = 10
SLOWEST = 2
"""Roles of a host that the table names."""

STATES = {"succeeded": "ok"}
COLOURS = {
    "ok": "green",
    "failed": "red",
    "interrupted": "red",
    "not finished": "yellow",
    "not reached": "yellow",
    "dry run": "cyan",
}


def colours() -> bool:
    """Whether the run prints colours: on a terminal, unless NO_COLOR is set."""
    return (
        sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def styled(text: str, colour: str | None = None, *, bold: bool = False) -> str:
    """The text, in a colour if the run prints colours."""
    return click.style(text, fg=colour, bold=bold or None) if colours() else text


def seconds(value: float) -> str:
    """A role's time."""
    return f"{value:.1f} s"


def names(items: Iterable[str], shown: int = HOSTS_SHOWN) -> str:
    """Names of hosts; of many, the first ones and the number of the others."""
    every = list(items)
    more = len(every) - shown
    return ", ".join(every[:shown]) + (f" and {more} more" if more > 0 else "")


def role_line(
    role: str,
    told: Mapping[str, RoleTime],
    checks: str = "",
    *,
    width: int,
    dry: bool = False,
) -> str:
    """The line of a role that has changed hosts, or failed. `told` are its hosts, `checks` is the
    sum of its results."""
    slowest = max(told, key=lambda host: told[host].seconds, default="")
    parts = [checks] if checks else []
    parts += _grouped(told, "changed", "would change" if dry else "changed")
    parts += _grouped(told, "failed", "failed")
    if len(told) > 1 and not dry:
        parts[-1] += f" (slowest: {slowest})"
    failed = any(item.failed for item in told.values())
    changed = any(item.changed for item in told.values())
    colour = "red" if failed else "yellow" if changed else "green"
    spent = None if dry else told[slowest].seconds
    return _line(role, spent, parts, width=width, colour=colour)


def _grouped(told: Mapping[str, RoleTime], kind: str, word: str) -> list[str]:
    """Operations of one kind, once for all hosts that have the same."""
    same: dict[tuple[str, ...], list[str]] = {}
    for host, item in told.items():
        if steps := tuple(dict.fromkeys(getattr(item, kind))):
            same.setdefault(steps, []).append(host)
    if len(told) == 1 or (len(same) == 1 and len(*same.values()) == len(told)):
        return [f"{word}: {'; '.join(steps)}" for steps in same]
    return [f"{word} on {names(hosts)}: {'; '.join(steps)}" for steps, hosts in same.items()]


def unchanged_line(told: Mapping[str, float], *, width: int, dry: bool = False) -> str:
    """The line of roles that have changed nothing: `told` are their seconds."""
    text = ", ".join(
        # Not torn apart at the end of a line.
        (role if dry else f"{role} {seconds(spent)}").replace(" ", "\0")
        for role, spent in told.items()
    )
    total = None if dry else sum(told.values())
    return _line("unchanged", total, [text], width=width).replace("\0", " ")


def _line(
    role: str, spent: float | None, parts: Sequence[str], *, width: int, colour: str | None = None
) -> str:
    """A role's line; each part begins a new one."""
    time = "" if spent is None else seconds(spent)
    head = f"{INDENT}{padded(role, ROLE)}{padded(time, SECONDS + 1, right=True)}{INDENT}"
    if spent is None:
        head = f"{INDENT}{padded(role, ROLE)}{INDENT}"
    indent = cells(head)
    body = f"\n{' ' * indent}".join(folded(part.split(" "), width, indent) for part in parts)
    return styled(head, colour) + body if body else styled(head.rstrip(), colour)


def table(told: Sequence[HostFacts], *, width: int, dry: bool = False) -> list[str]:
    """One row for each host: its state, how many operations changed it, its seconds, and the roles
    that took most of them."""
    heads = ("HOST", "STATE", "WOULD CHANGE" if dry else "CHANGED", "SECONDS", "SLOWEST ROLES")
    rows = [heads, *(_row(item, dry=dry) for item in told)]
    lines = columns([row[:3] if dry else row for row in rows], width - len(INDENT))
    words = [None, *(row[1] for row in rows[1:])]
    return [
        INDENT + _coloured(line, word).replace("\n", f"\n{INDENT}")
        for line, word in zip(lines, words, strict=True)
    ]


def _row(item: HostFacts, *, dry: bool) -> tuple[str, ...]:
    slow = sorted(item.roles, key=lambda role: -role.seconds)[:SLOWEST]
    shown = ", ".join(f"{role.role} {seconds(role.seconds)}" for role in slow if role.seconds)
    return item.name, state(item, dry=dry), str(item.changed), f"{item.seconds:.1f}", shown


def state(item: HostFacts, *, dry: bool = False) -> str:
    """The state of a host in one or two words."""
    word = STATES.get(item.outcome, item.outcome)
    return "dry run" if dry and word == "ok" else word


def _coloured(line: str, word: str | None) -> str:
    if word is None:
        return styled(line, bold=True)
    before, middle, after = line.partition(f"  {word}")
    return before + styled(middle, COLOURS.get(word)) + after


def url_lines(told: Sequence[Served], *, width: int) -> list[str]:
    """One row for each URL: what answers it, its release, and its hosts."""
    rows = [
        (item.url, item.name, ", ".join(item.releases), names(item.hosts, 3))
        for item in told[:URLS_SHOWN]
    ]
    lines = columns(rows, width - len(INDENT)) if rows else []
    more = len(told) - URLS_SHOWN
    if more > 0:
        lines.append(f"and {more} more: --data report=PATH lists them")
    return [INDENT + line.replace("\n", f"\n{INDENT}") for line in lines]


def last_line(told: Sequence[HostFacts], spent: float, *, dry: bool) -> str:
    """The sum of the run."""
    changes = sum(item.changed for item in told)
    hosts = f"{len(told)} host{'' if len(told) == 1 else 's'}"
    some = f"{changes} change{'' if changes == 1 else 's'} on {hosts}"
    if dry:
        what = f"{some} would be made; nothing was changed" if changes else "nothing to change"
    else:
        what = some if changes else f"nothing to change on {hosts}"
    return f"groundcrew: {what}, {seconds(spent)}"


def untouched_lines(told: Iterable[Untouched]) -> list[str]:
    """What a failed run has left as it was, for each host."""
    live: dict[str, list[str]] = {}
    hosts: dict[str, list[str]] = {}
    waiting: dict[str, list[str]] = {}
    for item in told:
        parts = hosts.setdefault(item.host, [])
        if item.app is None:
            parts.append(item.reason)
        elif item.release:
            live.setdefault(item.host, []).append(f"{item.app} {item.release}")
        else:
            waiting.setdefault(item.host, []).append(item.app)
    for host, releases in live.items():
        hosts[host].append(f"still live: {names(releases, APPS_SHOWN)}")
    for host, apps in waiting.items():
        hosts[host].append(f"no release was begun: {names(apps, APPS_SHOWN)}")
    return [f"{host}: {part}" for host, parts in hosts.items() for part in parts]
