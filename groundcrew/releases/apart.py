"""One application's failure does not stop the others: it is set apart until the end of the run.

Operations that are declared with `_ignore_errors` say here whose they are. When one fails, the
callback in groundcrew/hooks.py finds out who is to blame; nothing more is done for that application
on that host, and `outcome` fails the host once all others are done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, Protocol, cast

from paramiko import SSHException
from pyinfra import host as current_host
from pyinfra import logger
from pyinfra.api import FunctionCommand, Host, State, StringCommand, operation
from pyinfra.api.util import print_host_combined_output
from pyinfra.connectors.util import CommandOutput

from groundcrew import remote
from groundcrew.apps.paths import AppPaths

FAILED = "groundcrew_failed"
AT_WORK = "groundcrew_at_work"
Commands = Generator[StringCommand | FunctionCommand, None, None]
P = ParamSpec("P")


class OfAnApplication(Protocol):
    """A release's plan, or its target."""

    @property
    def paths(self) -> AppPaths:
        """Where the application has its files."""
        ...


def failed(host: Host) -> dict[str, str]:
    """The applications that failed on a host in this run, each with the step."""
    found: dict[str, str] = host.connector_data.setdefault(FAILED, {})
    return found


def fail(host: Host, app: str, step: str) -> None:
    """Nothing more is done for the application on this host."""
    failed(host).setdefault(app, step)


def begin(host: Host, apps: Iterable[str]) -> None:
    """An operation that is about these applications begins: until each is told to be `good`, the
    operation's failure is its failure."""
    _at_work(host)[:] = apps


def good(host: Host, app: str) -> None:
    """The application has what it needs from the operation that is at work."""
    if app in _at_work(host):
        _at_work(host).remove(app)


def blamed(host: Host) -> list[str]:
    """The applications that the operation that is at work has not done its work for."""
    return list(_at_work(host))


def _at_work(host: Host) -> list[str]:
    found: list[str] = host.connector_data.setdefault(AT_WORK, [])
    return found


def end(host: Host) -> Commands:
    """Fails the operation that is at work where it has not done its work for all."""
    if host.state.is_executing and _at_work(host):
        yield failure()


def failure() -> FunctionCommand:
    """The command of an operation that has failed, and has said why."""
    return FunctionCommand(_false, (), {})


def _false(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra's signature
    return False


def own(steps: Callable[P, Commands]) -> Callable[P, Commands]:
    """An operation of one application, which its first argument tells: skipped where the
    application has failed before."""

    @wraps(steps)
    def unless_failed(*args: P.args, **kwargs: P.kwargs) -> Commands:
        if not current_host.state.is_executing:
            yield from steps(*args, **kwargs)
            return
        item = cast(OfAnApplication, next(iter((*args, *kwargs.values()))))
        app = item.paths.name
        if app in failed(current_host):
            current_host.noop(f"{app} has failed")
            return
        begin(current_host, [app])
        yield from steps(*args, **kwargs)
        good(current_host, app)

    return unless_failed


def each(
    program: str, payloads: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any]
) -> FunctionCommand:
    """Runs a program of groundcrew/remote that does its work for several applications. The command
    itself does not fail; those that the program does not name as failed are `good` afterwards.

    `arguments` are how commands are run in this operation (sudo and the like).
    """
    return FunctionCommand(_each, (program, [dict(item) for item in payloads], dict(arguments)), {})


def _each(
    state: State,
    host: Host,
    program: str,
    payloads: list[dict[str, Any]],
    arguments: dict[str, Any],
) -> bool:
    command = remote.command(program, payload=payloads)
    try:
        done, output = host.run_shell_command(
            command,
            print_output=state.print_output,
            print_input=state.print_input,
            **{**arguments, **command.connector_arguments},
        )
    except (OSError, SSHException) as error:
        reason = str(error) or type(error).__name__
        host.log_styled(f"the connection is gone: {reason}", log_func=logger.error, fg="red")
        return False
    names = [item["name"] for item in payloads]
    bad = [] if done else failed_names(output.stdout_lines, names)
    if not done and not state.print_output:
        told = [line for line in output if not line.line.startswith('{"failed": ')]
        print_host_combined_output(host, CommandOutput(told))
    for name in names:
        if name not in bad:
            good(host, name)
    return True


def failed_names(lines: Sequence[str], names: Sequence[str]) -> list[str]:
    """Which of `names` a program has said that failed in its last line; all where it has not."""
    try:
        told = json.loads(lines[-1])["failed"]
    except (ValueError, IndexError, KeyError, TypeError):
        return list(names)
    return [name for name in names if name in told] or list(names)


@operation()
def outcome() -> Commands:
    """Fails the host where applications have failed, and names them."""
    if current_host.state.is_executing and failed(current_host):
        yield FunctionCommand(_tell, (), {})
    else:
        current_host.noop("all are released")


def _tell(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra's signature
    for app, step in failed(host).items():
        host.log_styled(f"not released: {app} ({step})", log_func=logger.error, fg="red")
    return False
