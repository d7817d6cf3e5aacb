"""One virtual machine per Debian suite serves the whole run, the second when the first is gone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import harness as e2e
from tests.e2e.conftest import pytest_runtest_makereport  # noqa: F401
from tests.vm import harness
from tests.vm.harness import Machine


@pytest.fixture(scope="session", params=["bookworm", "trixie"])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    with harness.converged(f"vm-{request.param}", request.param) as host:
        yield host


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the example that a test may change."""
    copy = tmp_path / "hello"
    shutil.copytree(e2e.GOOD, copy)
    return copy
