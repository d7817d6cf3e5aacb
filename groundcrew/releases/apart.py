"""Isolates the failure of one application from the others until the end of the run.

Operations declared with `_ignore_errors` record here which applications they work for. When one
fails, the callback in groundcrew/startup.py marks those applications as failed: the run
skips their remaining steps on that host, and `outcome` fails the host once all others are done.
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

from groundcrew import record, remote
from groundcrew.facts.apps import Apps
from groundcrew.facts.several import FailedNames
from groundcrew.manifest.paths import AppPaths

FAILED = "groundcrew_failed"
AT_WORK = "groundcrew_at_work"
Commands = Generator[StringCommand | FunctionCommand, None, None]
P = ParamSpec("P")


class OfAnApplication(Protocol):
    """A release's plan, or its target."""

    @property
    def paths(self) -> AppPaths:
        """Paths of the application's files."""
        ...


def failed(host: Host) -> dict[str, str]:
    """The applications that failed on a host in this run, each with the step that failed."""
    failures: dict[str, str] = host.connector_data.setdefault(FAILED, {})
    return failures


def fail(host: Host, app: str, step: str) -> None:
    """Marks the application as failed: its remaining steps are skipped on this host."""
    failed(host).setdefault(app, step)


def begin(host: Host, apps: Iterable[str]) -> None:
    """Begins an operation for these applications. If it fails, every application that has not been
    marked `good` fails with it."""
    _at_work(host)[:] = apps


def good(host: Host, app: str) -> None:
    """Marks the current operation as successful for the application."""
    if app in _at_work(host):
        _at_work(host).remove(app)


def blame(host: Host, app: str) -> None:
    """Marks the current operation as failed for the application, even if it was `good` before."""
    _at_work(host).append(app)


def blamed(host: Host) -> list[str]:
    """The applications for which the current operation has not succeeded."""
    return list(_at_work(host))


def _at_work(host: Host) -> list[str]:
    names: list[str] = host.connector_data.setdefault(AT_WORK, [])
    return names


def end(host: Host) -> Commands:
    """Fails the current operation if any application is not `good`."""
    if host.state.is_executing and _at_work(host):
        yield failure()


def failure() -> FunctionCommand:
    """A command that fails, for an operation that has already reported the reason."""
    return FunctionCommand(_false, (), {})


def _false(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra's signature
    return False


def own(steps: Callable[P, Commands]) -> Callable[P, Commands]:
    """Wraps an operation on one application, given by its first argument. The operation is skipped
    if the application has already failed."""

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
    """Runs a program of groundcrew/remote for several applications. The command itself does not
    fail; applications that the program does not report as failed are `good` afterwards.

    `arguments` are the connector arguments of this operation (sudo and the like).
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
    """The `names` that a program reported as failed in its last line; all if it reported none."""
    try:
        report: FailedNames = json.loads(lines[-1])
        told = report["failed"]
    except (ValueError, IndexError, KeyError, TypeError):
        return list(names)
    return [name for name in names if name in told] or list(names)


@operation()
def outcome() -> Commands:
    """Fails the host if applications have failed, and names them."""
    if current_host.state.is_executing and failed(current_host):
        _look_what_serves()
        yield FunctionCommand(_tell, (), {})
    else:
        current_host.noop("all are released")


def _look_what_serves() -> None:
    """Records which releases of the failed applications serve, which the end of the run tells."""
    names = tuple(failed(current_host))
    states = current_host.get_fact(Apps, apps=names, _ignore_errors=True) or {}
    record.serving(current_host, {name: state["live"] for name, state in states.items()})


def _tell(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra's signature
    for app, step in failed(host).items():
        host.log_styled(f"not released: {app} ({step})", log_func=logger.error, fg="red")
    return False
