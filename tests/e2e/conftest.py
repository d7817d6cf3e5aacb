"""One converged host per Debian suite serves the whole run."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest

from tests.audit import gate
from tests.e2e.harness import RUNS, LabHost, pyinfra


def _converged(suite: str) -> Iterator[LabHost]:
    host = LabHost(f"e2e-{suite}", suite)
    host.up()
    try:
        host.first = pyinfra(host.name)
        assert host.first.status == 0, host.first.stderr
        yield host
    finally:
        if not os.environ.get("GROUNDCREW_KEEP"):
            host.down()


@pytest.fixture(scope="session")
def bookworm() -> Iterator[LabHost]:
    yield from _converged("bookworm")


@pytest.fixture(scope="session")
def trixie() -> Iterator[LabHost]:
    yield from _converged("trixie")


@pytest.fixture(params=["bookworm", "trixie"])
def converged(request: pytest.FixtureRequest) -> LabHost:
    host: LabHost = request.getfixturevalue(request.param)
    return host


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the end of its last run, of which an assertion quotes a few words."""
    report = yield
    if report.failed and RUNS:
        run = RUNS[-1]
        shown = "\n".join([*run.stdout.splitlines()[-40:], *run.stderr.splitlines()[-60:]])
        report.sections.append((f"end of the last run (exit {run.status})", shown))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the auditors found, at the end."""
    if gate.FIGURES:
        terminalreporter.section("auditors")
        for line in gate.table():
            terminalreporter.line(line)
