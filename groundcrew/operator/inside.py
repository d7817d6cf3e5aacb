"""A command or a shell in an application's live release, on one of its hosts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from groundcrew import remote
from groundcrew.operator.inventory import InventoryError, Known
from groundcrew.settings.errors import nearest
from groundcrew.ssh_command import ssh_command


def with_app(hosts: Mapping[str, Known], app: str) -> list[Known]:
    """The hosts that have an application, those at the end where it is idle. Raises InventoryError
    if none has."""
    chosen = [host for host in hosts.values() if app in host.apps]
    chosen.sort(key=lambda host: app in host.idle)
    if not chosen:
        known = {name for host in hosts.values() for name in host.apps}
        raise InventoryError(f'no host has an application "{app}"{nearest(app, known)}')
    return chosen


def one_host(hosts: Mapping[str, Known], app: str, name: str | None) -> Known:
    """The host that was asked for, or the first that has the application. Raises InventoryError."""
    chosen = with_app(hosts, app)
    if name is None:
        return chosen[0]
    match = next((host for host in chosen if host.name == name), None)
    if match is None:
        text = f'"{name}" is no host that has {app}{nearest(name, (host.name for host in chosen))}'
        raise InventoryError(f"--host: {text}")
    return match


def over_ssh(host: Known) -> Known:
    """The same host. Raises InventoryError if it is not reached over SSH."""
    if host.name.startswith("@"):
        raise InventoryError(f"{host.name} is not reached over SSH: run the command there")
    return host


def command(host: Known, app: str, words: Sequence[str], *, terminal: bool) -> list[str]:
    """The command line of ssh that runs words as an application; without words, a shell."""
    request = {
        "app": app,
        "command": list(words),
        "terminal": terminal,
        "term": os.environ.get("TERM", ""),
    }
    script = remote.script("run_in_release")
    program = ["python3", "-ISc", script, json.dumps(request)]
    return ssh_command(host.name, host.connection, program, terminal=terminal)


def enter(host: Known, app: str, words: Sequence[str]) -> NoReturn:
    """Replaces this process by the command on the host. It has a terminal if this one has."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    line = command(host, app, words, terminal=terminal)
    os.execvp(line[0], line)  # noqa: S606 - all arguments are separate
