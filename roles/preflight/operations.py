"""Looking at a host before it is changed, as an operation that never counts as a change."""

from __future__ import annotations

import time
from collections.abc import Generator

from pyinfra import host as current_host
from pyinfra import logger
from pyinfra.api import FunctionCommand, Host, State, operation

from groundcrew import terminal
from groundcrew.facts.resources import Resources
from groundcrew.results import json_report
from groundcrew.results.result import Check, Status, fail
from groundcrew.results.table import table
from roles.preflight.checks import run_checks
from roles.preflight.settings import PreflightSettings
from roles.preflight.wanted import Wanted


@operation()
def look(
    settings: PreflightSettings, wanted: Wanted, every: bool
) -> Generator[FunctionCommand, None, None]:
    """Checks what the host has, and fails it where something is missing.

    Runs only when operations are executed, not while changes are being detected.

    + settings: the role's settings
    + wanted: what the other roles need
    + every: print what is good too
    """
    if not current_host.state.is_executing:
        return
    state = current_host.get_fact(Resources, request=wanted.request(settings))
    if state is None:
        results = [fail("host", "could not be looked at")]
    else:
        results = run_checks(settings, wanted, state, time.time())
    if settings.json_path:
        try:
            json_report.record(settings.json_path, current_host.name, results)
        except OSError as error:
            results.append(fail("preflight.json", f"cannot be written: {error}"))
    shown = results if every else [item for item in results if noteworthy(item)]
    if shown:
        logger.info(table(f"Preflight {current_host.name}", shown, terminal.width()))
    if not json_report.passed(results):
        yield FunctionCommand(_fail_host, (), {})


def noteworthy(check: Check) -> bool:
    """Whether a run must tell it."""
    return check.status in (Status.FAIL, Status.WARN)


def _fail_host(state: State, host: Host) -> bool:
    """Marks a host as failed; also where pyinfra would not (--no-wait), so that it exits 1."""
    state.failed_hosts.add(host)
    return False
