"""For all tests."""

from __future__ import annotations

# pyinfra's command line has gevent replace the ssl module. Where requests was imported before that,
# its TLS connections recurse without end; the order of test modules must not decide that.
import pyinfra_cli  # noqa: F401
import pytest

from groundcrew.adapter import directories, post_quantum
from tests import lanes

# testinfra logs in with paramiko too.
post_quantum.install()
# pytest removes large trees, and the code under test walks them.
directories.install()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lane", choices=lanes.LANES, help="only the tests of this lane")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.getoption("--lane")
    if wanted:
        lane = {item: lanes.lane(item.path) for item in items}
        config.hook.pytest_deselected(items=[item for item in items if lane[item] != wanted])
        items[:] = [item for item in items if lane[item] == wanted]
    items.sort(key=lambda item: lanes.order(item.path))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Writes down which tests had a second try, and why, whatever came of that."""
    lane = terminalreporter.config.getoption("--lane")
    reports = terminalreporter.stats.get("rerun", [])
    if lane and reports:
        lines = [f"{report.nodeid}: {lanes.brief(report.longreprtext)}" for report in reports]
        lanes.retried(lane).write_text("".join(f"{line}\n" for line in lines))
