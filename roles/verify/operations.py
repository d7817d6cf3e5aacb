"""Verification as an operation that never counts as a change."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pyinfra import host as current_host
from pyinfra import logger
from pyinfra.api import FunctionCommand, Host, State, operation

from groundcrew import terminal, transport
from groundcrew.results import json_report
from groundcrew.results.result import Check, NotCheckedError, Status, fail
from groundcrew.results.table import table
from roles.verify.checks import run_checks
from roles.verify.checks.firewall import cannot_see, closed_ports, open_ports, probed_addresses
from roles.verify.expected import Expected, Gzip
from roles.verify.facts import HostReport
from roles.verify.outside import Reached, ask_sites, patience, reach
from roles.verify.request import host_request
from roles.verify.seen import Seen
from roles.verify.settings import VerifySettings
from roles.verify.site import check_url

Commands = Generator[FunctionCommand, None, None]


@operation()
def host(settings: VerifySettings, expected: Expected) -> Commands:
    """Checks that the host keeps all promises of its settings; fails it otherwise.

    Runs only when operations are executed, not while changes are being detected: there is nothing
    to predict. Prints a table; writes `verify.json`.
    """
    yield from conclude(settings, lambda: run_checks(look(settings, expected)))


@operation()
def url(
    settings: VerifySettings, address: str, security_headers: Iterable[str], gzip: Gzip
) -> Commands:
    """Checks a URL from the operator's machine; nothing is asked of the host."""
    yield from conclude(settings, lambda: check_url(settings, address, security_headers, gzip))


def look(settings: VerifySettings, expected: Expected) -> Seen:
    """Everything there is to know: from inside and outside at once, then the packet filter."""
    address = settings.address or ssh_address(current_host)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask_sites, settings, expected, address)
        report = current_host.get_fact(
            HostReport, request=host_request(settings, expected), _ignore_errors=True
        )
        sites = asked.result()
    seen = Seen(settings, expected, address, report, sites, {})
    return Seen(settings, expected, address, report, sites, reachable_ports(seen))


def reachable_ports(seen: Seen) -> Reached:
    """Which ports answer, where that can be judged."""
    try:
        if not seen.expected.firewall or cannot_see(seen):
            return {}
        addresses, limit = probed_addresses(seen), seen.settings.connect_timeout
        opened, seconds = reach(addresses, open_ports(seen), limit)
        hidden, _ = reach(addresses, closed_ports(seen), patience(seconds, limit))
        return {**opened, **hidden}
    except NotCheckedError:
        return {}


def ssh_address(host: Host) -> str:
    """Where the operator's machine reaches the host."""
    if host.name.startswith("@local"):
        return "127.0.0.1"
    return transport.address(host)


def conclude(settings: VerifySettings, checks: Callable[[], Sequence[Check]]) -> Commands:
    """Runs the checks, tells their results, and fails the host when one failed.

    A yielded command is a change to pyinfra, so there is one only in failure, where it fails: no
    exception, because that would end the run before other hosts are done.
    """
    if not current_host.state.is_executing:
        return
    results = list(checks())
    if settings.json_path:
        try:
            json_report.record(settings.json_path, current_host.name, results)
        except OSError as error:
            results.append(fail("verify.json", f"cannot be written: {error}"))
    logger.info(table(f"Verify {current_host.name}", results, terminal.width()))
    if not json_report.passed(results):
        bad = (f"{item.name}: {item.detail}" for item in results if item.status is Status.FAIL)
        yield FunctionCommand(fail_host, tuple(bad), {})


def fail_host(state: State, host: Host, *told: str) -> bool:
    """Says why, and marks a host as failed; also where pyinfra would not (--no-wait), so that it
    exits 1."""
    for line in told:
        host.log_styled(line, log_func=logger.error, fg="red")
    state.failed_hosts.add(host)
    return False
