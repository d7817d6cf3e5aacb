"""Verification as an operation that never counts as a change."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pyinfra import host as current_host
from pyinfra import logger
from pyinfra.api import FunctionCommand, Host, State, operation

from groundcrew import record, terminal, transport
from groundcrew.contract import Brought
from groundcrew.partial import ALL, Parts, lenient
from groundcrew.results import json_report
from groundcrew.results.result import Check, Status, fail, not_applicable
from groundcrew.results.table import table
from groundcrew.roles.verify.checks import CHECKS
from groundcrew.roles.verify.expected import Expected, Gzip
from groundcrew.roles.verify.outside import ask_sites
from groundcrew.roles.verify.request import reads
from groundcrew.roles.verify.seen import SitesSeen
from groundcrew.roles.verify.settings import VerifySettings
from groundcrew.roles.verify.site import check_url
from groundcrew.verify import every_host
from groundcrew.verify.facts import HostReport, of_every_host
from groundcrew.verify.runner import run_checks
from groundcrew.verify.seen import View

TELLING = (Status.FAIL, Status.WARN)
"""Results that a run prints which does more than to check."""

LISTENING = "listening sockets"
Judge = Callable[[SitesSeen], Iterable[Check]]
Commands = Generator[FunctionCommand, None, None]


@operation()
def host(
    settings: VerifySettings,
    expected: Expected,
    brought: Brought,
    parts: Parts = ALL,
    sites: Sequence[str] = (),
) -> Commands:
    """Checks that the host keeps all promises of its settings, and fails it otherwise.

    Runs only while operations are executed, not while changes are detected: there is nothing to
    predict. Prints a table and writes the file of `verify.json`.
    """
    yield from conclude(
        settings,
        lambda: [
            *run_checks(checks(brought, parts, sites), look(settings, expected, brought, parts)),
            *left_out(parts),
        ],
    )


@operation()
def url(
    settings: VerifySettings, address: str, security_headers: Iterable[str], gzip: Gzip
) -> Commands:
    """Checks a URL from the operator's machine, without using the host."""
    yield from conclude(settings, lambda: check_url(settings, address, security_headers, gzip))


def left_out(parts: Parts) -> list[Check]:
    """A line that says which roles the run has left out."""
    names = [name for name in parts.roles if name not in parts]
    return [not_applicable("left out", ", ".join(names))] if names else []


def look(settings: VerifySettings, expected: Expected, brought: Brought, parts: Parts) -> SitesSeen:
    """What was seen of the host, from inside and outside, collected in parallel."""
    needed = parts.brought(brought)
    view = View(
        address=settings.address or ssh_address(current_host),
        published=settings.http_port is not None,
        connect_timeout=settings.connect_timeout,
        silent_ports=settings.firewall_ports,
        tolerated_ports=settings.listening,
    )
    wanted = [
        reads(settings, expected, list(needed.units.values())),
        of_every_host([service.unit for service in needed.services]),
        *brought.reads,
    ]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask_sites, settings, expected, view.address)
        report = current_host.get_fact(HostReport, reads=wanted, _ignore_errors=True)
        sites = asked.result()
    return SitesSeen(
        view=view,
        report=report,
        declared_ports=brought.public_ports,
        answering_ports=brought.answering_ports,
        settings=settings,
        expected=expected,
        units=needed.units,
        sites=sites,
    )


def checks(brought: Brought, parts: Parts = ALL, sites: Sequence[str] = ()) -> dict[str, Judge]:
    """All checks of a host, in the order of the table. Those that depend on roles that are not in
    `parts` only warn: the sites' on the roles `sites`, and each role's own."""
    services = [service.unit for service in parts.brought(brought).services]
    of_host = {"services": partial(every_host.services, services)} if services else {}
    missing = {
        **dict.fromkeys(CHECKS, parts.missing(sites)),
        LISTENING: parts.missing(parts.roles),
        **{
            title: parts.missing([role])
            for role, item in brought.roles.items()
            for title in item.checks
        },
    }
    every: dict[str, Judge] = {
        **CHECKS,
        LISTENING: every_host.listening,
        **of_host,
        **brought.checks,
    }
    return lenient(every, missing)


def ssh_address(host: Host) -> str:
    """The address at which the operator's machine reaches the host."""
    if host.name.startswith("@local"):
        return "127.0.0.1"
    return transport.address(host)


def conclude(settings: VerifySettings, judge: Callable[[], Sequence[Check]]) -> Commands:
    """Runs the checks, reports the results, and fails the host if a check failed.

    pyinfra counts a yielded command as a change, so one is yielded only on failure. It fails
    instead of raising an exception, which would end the run before the other hosts are done.
    """
    if not current_host.state.is_executing:
        return
    yield from tell("verify", list(judge()), settings.json_path)


def tell(kind: str, results: list[Check], json_path: str | None) -> Commands:
    """Prints results of the current host, records them for reports and as JSON, and fails the host
    if one of them does. `kind` is the block of settings that they belong to."""
    if json_path:
        try:
            json_report.record(json_path, current_host.name, results)
        except OSError as error:
            results.append(fail(f"{kind}.json", f"cannot be written: {error}"))
    record.checks(current_host, kind, results)
    shown = [item for item in results if not record.RECORD.folded or item.status in TELLING]
    if shown:
        title = f"{kind.capitalize()} {current_host.name}"
        logger.info(table(title, shown, terminal.width(), results))
    if not json_report.passed(results):
        bad = (f"{item.name}: {item.detail}" for item in results if item.status is Status.FAIL)
        yield FunctionCommand(fail_host, tuple(bad), {})


def fail_host(state: State, host: Host, *lines: str) -> bool:
    """Logs the reasons and marks the host as failed, even with --no-wait, so that the run exits
    1."""
    for line in lines:
        host.log_styled(line, log_func=logger.error, fg="red")
    state.failed_hosts.add(host)
    return False
