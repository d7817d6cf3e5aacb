"""Changes that could lock the operator out: kept only once a new login over them has worked."""

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

from groundcrew import remote, transport
from groundcrew.entries import Entry, PathEntry, States, changes, payload, resolve
from groundcrew.patience import Patience, patience
from groundcrew.templates import render

DIRECTORY = "/var/lib/groundcrew/guard"
PROGRAM = "/var/lib/groundcrew/put_back.py"


class RefusedError(Exception):
    """A change that would certainly lock the operator out; the message says how."""


@dataclass(frozen=True)
class Guarded:
    """One change that could lock the operator out.

    The files of `entries` are put back as they were. The shell commands of `snapshot`, `restore`
    and `reactivate` run in a private directory on the host that they share. `snapshot` notes before
    the change what is not in `entries`. `restore` puts that back, as far as it is on disk; it may
    run twice. `activate` makes the new files effective, `reactivate` the old ones again.

    At boot `restore` runs and `reactivate` does not: nothing is running yet that could be told, and
    what starts afterwards reads the old files. So `restore` must ask no service, systemd least of
    all, which would wait for the boot that waits for it.
    """

    name: str
    entries: Sequence[PathEntry]
    activate: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()
    reactivate: tuple[str, ...] = ()
    validate: str | None = None
    snapshot: tuple[str, ...] = ()


def state_directory(name: str) -> str:
    """The directory that exists on a host while the change `name` is neither kept nor put back."""
    return f"{DIRECTORY}/{name}"


def trace(name: str) -> tuple[str, str]:
    """Directory and glob of what an unfinished change `name` leaves on a host."""
    return DIRECTORY, f"{name}*"


def pending(name: str, states: States) -> bool:
    """Whether `states`, which have its trace, show that an earlier change `name` did not end."""
    directory = state_directory(name)
    return any(path == directory or path.startswith(f"{directory}.") for path in states)


def to_be_made(entries: Sequence[Entry], states: States, unfinished: bool) -> list[PathEntry]:
    """The entries of a change: those that the host does not fulfil.

    All of them after an `unfinished` one: what it has changed may be put back before this begins.
    """
    return resolve(entries, states) if unfinished else changes(entries, states)


def refuse(reason: str) -> FunctionCommand:
    """The command of an operation that fails on the current host, before it changed anything.

    Raising in an operation would end the run with a traceback, and for all hosts.
    """
    return FunctionCommand(_refuse, (reason,), {})


def apply(change: Guarded, users: Sequence[str]) -> Generator[PyinfraCommand, None, None]:
    """The commands of a guarded change, for use in an operation that found it necessary.

    A service is started on the host that puts everything back within a minute, or within three
    where logging in has been slow; then the change is made and made effective. A new connection
    then logs in as one of `users` (the first that gets in is enough) and becomes root: the change
    stays. Nobody gets in: it is put back at once over the live connection, and the operation fails.
    The operator's machine gone: the host puts it back. The host down: it does so when it boots.
    """
    waits = patience(transport.login_seconds(current_host))
    # Before the host's own clock is started.
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
    arguments = cast(dict[str, Any], current_host.current_op_global_arguments or {})
    connection = {key: arguments[key] for key in CONNECTOR_ARGUMENT_KEYS if key in arguments}
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
    """Keeps the change `name` if one of `users` can log in, else puts it back; whether it stays.

    + connection: arguments of the live connection's commands
    + waits: how long is waited for the host
    + end: when the host puts it back by itself, in the time of `time.monotonic`
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
    # Nobody to ask for is a machine that manages itself: there is no connection to lose.
    return "; ".join(reasons) or None


def _keep(name: str) -> StringCommand:
    # The rename decides; nothing after it changes that. It is on the disk before it is told.
    directory = state_directory(name)
    return StringCommand(
        f"mv -T {directory} {directory}.kept && {{ sync {DIRECTORY}; "
        f"systemctl stop groundcrew-guard-{name}.service; rm -rf {directory}.kept; true; }}"
    )


def _sudo_asks_nothing(host: Host, connection: dict[str, Any]) -> bool:
    """Whether the run becomes root with sudo, and has needed no password for it so far."""
    if not connection.get("_sudo") or connection.get("_sudo_password"):
        return False
    asked = "prompted_sudo_password" in host.connector_data
    return not asked and transport.connected_user(host) != "root"


def _without_questions(command: StringCommand) -> StringCommand:
    """As root, where sudo itself may be what broke: pyinfra would ask for a password when it sees
    sudo's own words, and wait for an answer while the host puts the change back."""
    quoted = shlex.quote(command.get_raw_value())
    return StringCommand(
        f"output=$(sudo -n sh -c {quoted} 2>&1) || "
        "{ echo \"no sudo: $(echo \"$output\" | tr '\\n' ' ')\" >&2; exit 1; }"
    )


def _put_back(name: str) -> StringCommand:
    # Waits where the host is putting it back already.
    return StringCommand(f"python3 -IS {PROGRAM} back {name}")


def _log_error(host: Host, message: str) -> None:
    host.log_styled(message, log_func=logger.error, fg="red")
