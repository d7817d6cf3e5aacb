"""Guards changes that could lock the operator out: they are kept only after a new login has
worked."""

from __future__ import annotations

import shlex
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from paramiko import SSHException
from pyinfra import host as current_host
from pyinfra import logger
from pyinfra.api import FunctionCommand, Host, State, StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra.api.command import PyinfraCommand

from groundcrew import record, remote, transport
from groundcrew.entries import Entry, PathEntry, States, changes, named, payload, resolve
from groundcrew.patience import Patience, patience
from groundcrew.templates import render

DIRECTORY = "/var/lib/groundcrew/guard"
PROGRAM = "/var/lib/groundcrew/put_back.py"


class RefusedError(Exception):
    """A change that would certainly lock the operator out; the message says how."""


@dataclass(frozen=True)
class Guarded:
    """One change that could lock the operator out.

    The files of `entries` are restored if the change is not kept. The shell commands of `snapshot`,
    `restore` and `reactivate` run in one private directory on the host. Before the change,
    `snapshot` saves state that is not in `entries`. `restore` restores that state on disk; it may
    run twice. `activate` puts the new files into effect, `reactivate` the old ones.

    At boot `restore` runs and `reactivate` does not: no service is running yet, and those that
    start afterwards read the old files. `restore` must therefore call no service, least of all
    systemd, which would wait for the boot that waits for it.
    """

    name: str
    entries: Sequence[PathEntry]
    activate: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()
    reactivate: tuple[str, ...] = ()
    validate: str | None = None
    snapshot: tuple[str, ...] = ()


def state_directory(name: str) -> str:
    """The directory that exists on a host until the change `name` is kept or undone."""
    return f"{DIRECTORY}/{name}"


def trace(name: str) -> tuple[str, str]:
    """Directory and glob of the files that an unfinished change `name` leaves on a host."""
    return DIRECTORY, f"{name}*"


def pending(name: str, states: States) -> bool:
    """Whether `states`, which must include `trace`, show that an earlier change `name` did not
    finish."""
    directory = state_directory(name)
    return any(path == directory or path.startswith(f"{directory}.") for path in states)


def to_be_made(entries: Sequence[Entry], states: States, unfinished: bool) -> list[PathEntry]:
    """The entries of a change: those that the host does not match.

    After an `unfinished` change these are all entries: what it changed may be restored first.
    """
    return resolve(entries, states) if unfinished else changes(entries, states)


def refuse(reason: str) -> FunctionCommand:
    """A command that fails the operation on the current host, before anything was changed.

    An exception in an operation would end the run on all hosts, with a traceback.
    """
    return FunctionCommand(_refuse, (reason,), {})


def apply(change: Guarded, users: Sequence[str]) -> Generator[PyinfraCommand, None, None]:
    """The commands of a guarded change, for an operation that has found it necessary.

    First, a service is started on the host that restores everything within a minute, or within
    three if logging in has been slow. Then the change is made and put into effect. If a new
    connection can log in as one of `users` (one is enough) and become root, the change is kept. If
    no user can, it is undone at once over the live connection, and the operation fails. If the
    operator's machine is gone, the host undoes it; if the host goes down, it does so when it boots.
    """
    record.change(current_host, [named(entry) for entry in change.entries])
    arguments = cast(dict[str, Any], current_host.current_op_global_arguments or {})
    connection = {key: arguments[key] for key in CONNECTOR_ARGUMENT_KEYS if key in arguments}
    transport.time_commands(current_host, connection)
    waits = patience(transport.login_seconds(current_host))
    # Measured before the host's own timer starts.
    end = time.monotonic() + waits.host
    yield remote.command(
        "guard",
        payload={
            "name": change.name,
            "seconds": waits.host,
            "program": remote.source("apply_files"),
            "way_back": remote.source("guard_back"),
            "boot_unit": render("guard/boot.service.j2", state=DIRECTORY, program=PROGRAM),
            "entries": [payload(entry) for entry in change.entries],
            "validate": change.validate,
            "snapshot": change.snapshot,
            "activate": change.activate,
            "restore": change.restore,
            "reactivate": change.reactivate,
        },
    )
    options = {"connection": connection, "waits": waits, "end": end}
    yield FunctionCommand(confirm, (change.name, tuple(users)), options)


def confirm(
    state: State,
    host: Host,
    name: str,
    users: Sequence[str],
    *,
    connection: dict[str, Any],
    waits: Patience,
    end: float,
) -> bool:
    """Keeps the change `name` if one of `users` can log in, else undoes it; returns whether it is
    kept.

    + connection: arguments of the live connection's commands
    + waits: how long to wait for the host
    + end: when the host undoes it by itself, in the time of `time.monotonic`
    """
    refusal = _refusal(host, users, waits.step, end - waits.command)
    command = _keep(name) if refusal is None else _put_back(name)
    if _sudo_asks_nothing(host, connection):
        connection = {**connection, "_sudo": False}
        command = _without_questions(command)
    try:
        done, output = host.run_shell_command(
            command,
            print_output=state.print_output,
            print_input=state.print_input,
            **{**connection, "_timeout": waits.command},
        )
        details = output.output
    except (TimeoutError, OSError, SSHException) as error:
        done, details = False, f"the live connection is gone: {error or type(error).__name__}"
    if refusal is None and done:
        return True
    if refusal is None:
        _log_error(host, f"the change could not be kept, and is being put back: {details}")
    elif done:
        _log_error(host, f"the change was put back, because it locks the operator out: {refusal}")
    else:
        _log_error(
            host,
            f"the change locks the operator out: {refusal}; putting it back failed ({details}); "
            f"the host does it by itself within {waits.host} seconds, or when it boots",
        )
    return False


def _refuse(state: State, host: Host, reason: str) -> bool:  # noqa: ARG001 - pyinfra's signature
    _log_error(host, f"refused, nothing was changed: {reason}")
    return False


def _refusal(host: Host, users: Sequence[str], step: float, until: float) -> str | None:
    reasons = []
    for user in users:
        try:
            transport.second_login(host, user, step, until)
        except transport.LoginError as error:
            reasons.append(str(error))
        else:
            return None
    # No users means a machine that manages itself: there is no connection to lose.
    return "; ".join(reasons) or None


def _keep(name: str) -> StringCommand:
    # The rename is the decision; nothing after it changes that. It is synced before it is reported.
    directory = state_directory(name)
    return StringCommand(
        f"mv -T {directory} {directory}.kept && {{ sync {DIRECTORY}; "
        f"systemctl stop groundcrew-guard-{name}.service; rm -rf {directory}.kept; true; }}"
    )


def _sudo_asks_nothing(host: Host, connection: dict[str, Any]) -> bool:
    """Whether the run becomes root with sudo and has not needed a password for it so far."""
    if not connection.get("_sudo") or connection.get("_sudo_password"):
        return False
    asked = "prompted_sudo_password" in host.connector_data
    return not asked and transport.connected_user(host) != "root"


def _without_questions(command: StringCommand) -> StringCommand:
    """Runs a command as root although sudo itself may be broken. On sudo's error messages, pyinfra
    would ask for a password, and wait for an answer while the host undoes the change."""
    quoted = shlex.quote(command.get_raw_value())
    return StringCommand(
        f"output=$(sudo -n sh -c {quoted} 2>&1) || "
        "{ echo \"no sudo: $(echo \"$output\" | tr '\\n' ' ')\" >&2; exit 1; }"
    )


def _put_back(name: str) -> StringCommand:
    # Waits if the host is already undoing the change.
    return StringCommand(f"python3 -IS {PROGRAM} back {name}")


def _log_error(host: Host, message: str) -> None:
    host.log_styled(message, log_func=logger.error, fg="red")
