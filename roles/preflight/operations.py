"""The preflight as an operation that never counts as a change."""

from __future__ import annotations

import time
from collections.abc import Generator

from pyinfra import host as current_host
from pyinfra import logger
from pyinfra.api import FunctionCommand, Host, State, operation

from groundcrew import record, terminal
from groundcrew.facts.resources import Resources
from groundcrew.read_first import reading_first
from groundcrew.results import json_report
from groundcrew.results.result import Check, Status, fail
from groundcrew.results.table import table
from groundcrew.roles.preflight.checks import run_checks
from groundcrew.roles.preflight.settings import PreflightSettings
from groundcrew.roles.preflight.wanted import Wanted


@operation()
@reading_first
def look(
    settings: PreflightSettings, wanted: Wanted, every: bool
) -> Generator[FunctionCommand, None, None]:
    """Runs the preflight checks and fails the host if one of them fails.

    Runs only while operations are executed, not while changes are detected.

    + settings: the role's settings
    + wanted: what the other roles need
    + every: print passed checks too
    """
    if not current_host.state.is_executing:
        return
    checks = results(settings, wanted)
    if settings.json_path:
        try:
            json_report.record(settings.json_path, current_host.name, checks)
        except OSError as error:
            checks.append(fail("preflight.json", f"cannot be written: {error}"))
    record.checks(current_host, "preflight", checks)
    shown = checks if every else [item for item in checks if noteworthy(item)]
    if shown:
        logger.info(table(f"Preflight {current_host.name}", shown, terminal.width(), checks))
    if not json_report.passed(checks):
        bad = (f"{item.name}: {item.detail}" for item in checks if item.status is Status.FAIL)
        yield FunctionCommand(_fail_host, tuple(bad), {})


def results(settings: PreflightSettings, wanted: Wanted) -> list[Check]:
    """All results for the current host."""
    state = current_host.get_fact(Resources, request=wanted.request(settings))
    if state is None:
        return [fail("host", "could not be looked at")]
    return run_checks(settings, wanted, state, time.time())


def noteworthy(check: Check) -> bool:
    """Whether a run reports the result even if `every` is off."""
    return check.status in (Status.FAIL, Status.WARN)


def _fail_host(state: State, host: Host, *lines: str) -> bool:
    """Logs the reasons and marks the host as failed, even with --no-wait, so that the run exits
    1."""
    for line in lines:
        host.log_styled(line, log_func=logger.error, fg="red")
    state.failed_hosts.add(host)
    return False
