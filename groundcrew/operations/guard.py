"""Changes that could lock the operator out: kept only once a new login over them has worked."""

from __future__ import annotations

import shlex
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
from groundcrew.entries import PathEntry, payload

SECONDS = 55
COMMAND_TIMEOUT = 20


class RefusedError(Exception):
    """A change that would certainly lock the operator out; the message says how."""


@dataclass(frozen=True)
class Guarded:
    """One change that could lock the operator out.

    The shell commands of `snapshot` and `revert` run in a private directory on the host that both
    share: the former notes what is not in files, the latter restores it and makes the old files
    effective again. `activate` makes the new files effective.
    """

    name: str
    entries: Sequence[PathEntry]
    activate: tuple[str, ...]
    revert: tuple[str, ...]
    validate: str | None = None
    snapshot: tuple[str, ...] = ()


def state_directory(name: str) -> str:
    """The directory that exists on a host while the change `name` is neither kept nor put back."""
    return f"/run/groundcrew/guard/{name}"


def refuse(reason: str) -> FunctionCommand:
    """The command of an operation that fails on the current host, before it changed anything.

    Raising in an operation would end the run with a traceback, and for all hosts.
    """
    return FunctionCommand(_refuse, (reason,), {})


def apply(change: Guarded, users: Sequence[str]) -> Generator[PyinfraCommand, None, None]:
    """The commands of a guarded change, for use in an operation that found it necessary.

    A service is started on the host that puts everything back within a minute, then the change is
    made and made effective. A new connection then logs in as one of `users` (the first that gets in
    is enough) and becomes root: the change stays. Nobody gets in: it is put back at once over the
    live connection, and the operation fails. The operator's machine gone: the host puts it back.
    """
    yield remote.command(
        "guard",
        payload={
            "name": change.name,
            "seconds": SECONDS,
            "program": remote.source("apply_files"),
            "entries": [payload(entry) for entry in change.entries],
            "validate": change.validate,
            "snapshot": change.snapshot,
            "activate": change.activate,
            "revert": change.revert,
        },
    )
    arguments = cast(dict[str, Any], current_host.current_op_global_arguments or {})
    connection = {key: arguments[key] for key in CONNECTOR_ARGUMENT_KEYS if key in arguments}
    yield FunctionCommand(confirm, (change.name, tuple(users), connection), {})


def confirm(
    state: State, host: Host, name: str, users: Sequence[str], connection: dict[str, Any]
) -> bool:
    """Keeps the change `name` if one of `users` can log in, else puts it back; whether it stays."""
    refusal = _refusal(host, users)
    command = _keep(name) if refusal is None else _put_back(name)
    if _sudo_asks_nothing(host, connection):
        connection = {**connection, "_sudo": False}
        command = _without_questions(command)
    try:
        done, output = host.run_shell_command(
            command,
            print_output=state.print_output,
            print_input=state.print_input,
            **{**connection, "_timeout": COMMAND_TIMEOUT},
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
            f"the host does it by itself within {SECONDS} seconds",
        )
    return False


def _refuse(state: State, host: Host, reason: str) -> bool:  # noqa: ARG001 - pyinfra's signature
    _log_error(host, f"refused, nothing was changed: {reason}")
    return False


def _refusal(host: Host, users: Sequence[str]) -> str | None:
    reasons = []
    for user in users:
        try:
            transport.second_login(host, user)
        except transport.LoginError as error:
            reasons.append(str(error))
        else:
            return None
    # Nobody to ask for is a machine that manages itself: there is no connection to lose.
    return "; ".join(reasons) or None


def _keep(name: str) -> StringCommand:
    directory = state_directory(name)
    return StringCommand(
        f"mv -T {directory} {directory}.kept && systemctl stop groundcrew-guard-{name}.service "
        f"&& rm -rf {directory}.kept"
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
    # Where there is nothing to rename, the host is putting it back already.
    directory = state_directory(name)
    return StringCommand(
        f"if mv -T {directory} {directory}.back; then "
        f"systemctl stop groundcrew-guard-{name}.service; sh {directory}.back/revert.sh; fi"
    )


def _log_error(host: Host, message: str) -> None:
    host.log_styled(message, log_func=logger.error, fg="red")
