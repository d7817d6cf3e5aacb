"""One converged host per Debian suite serves the whole run."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from groundcrew.lab.recipe import SUITES
from tests import lanes
from tests.audit import gate
from tests.e2e import harness
from tests.e2e.five import examples, examples_inventory  # noqa: F401 - fixtures
from tests.e2e.harness import RUNS, LabHost
from tests.e2e.strict import StrictHost


def is_bare(request: pytest.FixtureRequest) -> bool:
    """Whether the hosts of this lane begin without packages: those whose first run is looked at."""
    return request.config.getoption("--lane") in (None, lanes.BARE)


@pytest.fixture(scope="session")
def bookworm(request: pytest.FixtureRequest) -> Iterator[LabHost]:
    bare = is_bare(request)
    with harness.converged("e2e-bookworm", "bookworm", bare=bare) as host:
        if request.config.getoption("--lane") in lanes.BOTH_SUITES:
            request.getfixturevalue("begun")
        yield host


@pytest.fixture(scope="session")
def begun(request: pytest.FixtureRequest) -> Iterator[Future[LabHost]]:
    """The host with Debian 13. In lanes that need it, it is made while tests use the other one."""
    made = harness.converged("e2e-trixie", "trixie", bare=is_bare(request))
    with ThreadPoolExecutor() as pool:
        future = pool.submit(made.__enter__)
        yield future
    if future.exception() is None:
        made.__exit__(None, None, None)


@pytest.fixture(scope="session")
def trixie(begun: Future[LabHost]) -> LabHost:
    return begun.result()


@pytest.fixture(scope="session")
def strict() -> Iterator[StrictHost]:
    """A host with strict hardening: it begins here, and is ready when somebody waits for it."""
    host = StrictHost()
    yield host
    host.ended()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the example that a test may change."""
    copy = tmp_path / "hello"
    shutil.copytree(harness.GOOD, copy)
    return copy


@pytest.fixture(params=SUITES)
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
