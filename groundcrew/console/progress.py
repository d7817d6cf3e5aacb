"""Prints roles as they end, and the table of hosts when the run does."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, field
from typing import Any

import click
from pyinfra.api.state import BaseStateCallback, State

from groundcrew import profile, record, terminal
from groundcrew.adapter import output
from groundcrew.console import facts, lines, mode
from groundcrew.console.failures import STORY
from groundcrew.console.mode import Mode
from groundcrew.console.urls import urls
from groundcrew.remote.printable import printable
from groundcrew.report import masks
from groundcrew.results.table import counts
from groundcrew.settings.load import settings_for
from groundcrew.settings.selection import parameters

LEAST = {Mode.QUIET: logging.WARNING, Mode.NORMAL: logging.INFO, Mode.VERBOSE: logging.NOTSET}


@dataclass
class Shown:
    """What this process's run prints, and has printed."""

    mode: Mode = Mode.NORMAL
    began: float = field(default_factory=time.monotonic)
    dry: bool = False
    last: dict[str, str] = field(default_factory=dict)
    """Role -> its last operation."""

    printed: set[str] = field(default_factory=set)
    unchanged: dict[str, float] = field(default_factory=dict)
    """Roles that have changed nothing and are not printed yet -> seconds."""

    lines: output.Lines | None = None
    hidden: set[str] | None = None
    """The operator's secrets; None until the settings are known."""


SHOWN = Shown()


def install() -> None:
    """Makes pyinfra print what the run's mode asks for. Raises UnexpectedPyinfraError if pyinfra is
    not as expected, SettingsError if the mode is none."""
    SHOWN.mode = mode.of_run()
    SHOWN.dry = bool(parameters().get("dry"))
    verbose = SHOWN.mode is Mode.VERBOSE
    record.RECORD.folded = not verbose
    chosen = output.Lines(LEAST[SHOWN.mode], clean, routine=verbose, colours=lines.colours())
    output.install(chosen, None if verbose else plan)
    SHOWN.lines = chosen


def attach(state: State) -> None:
    """Prints the roles of this run."""
    if SHOWN.mode is not Mode.VERBOSE:
        state.add_callback_handler(Roles())


def clean(text: str) -> str:
    """Text of hosts without the operator's secrets and without control characters but those of
    colours."""
    parts = re.split(f"({output.STYLE.pattern})", masks.without(text, hidden()))
    return "".join(part if index % 2 else printable(part) for index, part in enumerate(parts))


def hidden() -> set[str]:
    """The operator's secrets that the run has read."""
    if SHOWN.hidden is not None:
        return SHOWN.hidden
    if STORY.state is None:
        return set()
    SHOWN.hidden = masks.secrets(settings_for(host) for host in STORY.state.inventory)
    return SHOWN.hidden


class Roles(BaseStateCallback):
    """Prints each role after its last operation."""

    @staticmethod
    def operation_start(state: State, op_hash: str) -> None:  # noqa: ARG004
        """The first operation begins: from now on it is known which one is a role's last."""
        if SHOWN.last:
            return
        SHOWN.last = last_operations(state)
        # What only looks at something prints all that it sees.
        record.RECORD.folded = len(SHOWN.last) > 1
        if not record.RECORD.folded and SHOWN.lines:
            SHOWN.lines.least = logging.INFO
        if SHOWN.mode is Mode.NORMAL:
            click.echo(err=True)

    @staticmethod
    def operation_end(state: State, op_hash: str) -> None:
        """An operation has ended on all hosts."""
        for role, last in SHOWN.last.items():
            if last == op_hash and SHOWN.mode is Mode.NORMAL:
                show(role, told(state))


def last_operations(state: State) -> dict[str, str]:
    """The last operation of each role, in their order."""
    last: dict[str, str] = {}
    for key in state.get_op_order():
        last[facts.role_of(", ".join(sorted(state.get_op_meta(key).names)))] = key
    return last


def told(state: State) -> list[facts.HostFacts]:
    """The hosts of the run, as far as they are."""
    return facts.hosts(state, record.RECORD, profile.PROFILES, STORY, executes=not SHOWN.dry)


def show(role: str, hosts: list[facts.HostFacts]) -> None:
    """Prints a role; one that has changed nothing waits for the next ones, which may be alike."""
    if role in SHOWN.printed:
        return
    SHOWN.printed.add(role)
    done = {host.name: item for host in hosts for item in host.roles if item.role == role}
    if not done:
        return
    checks = summary(role, hosts)
    changes = any(item.changed or item.failed for item in done.values())
    if not changes and (not checks or len(SHOWN.last) == 1):
        # What only looks at something has printed what it sees.
        if len(SHOWN.last) > 1 or SHOWN.dry:
            SHOWN.unchanged[role] = max(item.seconds for item in done.values())
        return
    flush()
    _echo(lines.role_line(role, done, checks, width=terminal.line_width(), dry=SHOWN.dry))


def flush() -> None:
    """Prints the roles that have changed nothing."""
    if SHOWN.unchanged:
        width = terminal.line_width()
        _echo(lines.unchanged_line(SHOWN.unchanged, width=width, dry=SHOWN.dry))
        SHOWN.unchanged.clear()


def summary(role: str, hosts: list[facts.HostFacts]) -> str:
    """The sum of the results of a role's checks on all hosts; empty if it has none."""
    results = [
        item for host in hosts for item in record.RECORD.hosts[host.name].checks.get(role, ())
    ]
    return counts(results) if results else ""


def plan(state: State) -> None:
    """Prints what would change, role by role."""
    if SHOWN.mode is Mode.QUIET and not SHOWN.dry:
        return
    click.echo(err=True)
    before, SHOWN.dry = SHOWN.dry, True
    hosts = told(state)
    for role in last_operations(state):
        show(role, hosts)
    flush()
    # The same roles are printed again when they are executed.
    SHOWN.printed.clear()
    SHOWN.dry = before


def at_end(state: State) -> None:
    """Prints the table of hosts and the URLs, unless the run has only looked at something."""
    if not profile.PROFILES:
        # It connects to no host, such as playbooks/settings.py.
        return
    hosts = told(state)
    roles = list(dict.fromkeys(item.role for host in hosts for item in host.roles))
    changed = any(host.changed for host in hosts)
    failed = any(host.outcome != "succeeded" for host in hosts)
    if SHOWN.mode is Mode.NORMAL and not SHOWN.dry and state.is_executing and len(roles) > 1:
        for role in roles:
            show(role, hosts)
    if SHOWN.mode is Mode.NORMAL and not SHOWN.dry:
        flush()
    if not (changed or failed or len(roles) > 1) or not hosts:
        return
    width = terminal.line_width()
    dry = SHOWN.dry or not (state.is_executing or failed)
    _echo("")
    for line in lines.table(hosts, width=width, dry=dry):
        _echo(line)
    if SHOWN.mode is Mode.QUIET:
        return
    serves = len(roles) > 1 or any(item.releasing for item in record.RECORD.hosts.values())
    live = [(item.name, item.serving) for item in hosts]
    served = urls(_settings(state), live) if serves and not dry else []
    if served:
        _echo("")
        for line in lines.url_lines(served, width=width):
            _echo(line)
    if not failed:
        _echo("")
        _echo(lines.last_line(hosts, time.monotonic() - SHOWN.began, dry=dry))


def untouched(state: State) -> list[facts.Untouched]:
    """What a failed run has left as it was."""
    apps = {name: sorted(item.releasing) for name, item in record.RECORD.hosts.items()}
    return facts.untouched(told(state), apps)


def _settings(state: State) -> list[tuple[Any, Any]]:
    hosts = [host for host in state.inventory if state.is_host_in_limit(host)]
    return [(host, settings_for(host).settings) for host in hosts]


def _echo(text: str) -> None:
    click.echo(masks.without(text, hidden()), err=True, color=lines.colours())
