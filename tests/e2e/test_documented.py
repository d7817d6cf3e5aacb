"""An operator's life with a host, by the words of README.md and docs/.

The project is a clone, the host is fresh, and every command is the one that a page has. Only the
address of web1.example.com and what stands for something else (`ID`, `HOST`) is filled in:
tests/documented/commands.py. The steps come one after the other, each on what those before it left.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.documented.commands import ON_A_HOST, Step
from tests.documented.project import Clone, filled, typed


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = Clone(tmp_path_factory.mktemp("documented"))
    yield clone
    if not os.environ.get("GROUNDCREW_KEEP"):
        subprocess.run([clone.root / "bin/lab", "down"], check=True, capture_output=True)


def older(clone: Clone) -> str:
    """The name of a release that does not serve."""
    state = json.loads((clone.root / "status.json").read_text())["hosts"]["web1.example.com"]
    shop = state["apps"]["shop"]
    return next(name for name in shop["releases"] if name != shop["live"])


@pytest.mark.parametrize(
    ("step", "command"), [pytest.param(s, c, id=c) for s in ON_A_HOST for c in typed(s)]
)
def test_the_command(clone: Clone, step: Step, command: str) -> None:
    done = clone.run(step, filled(step, command, lambda: older(clone)))
    assert done.returncode == step.status, done.stdout
    assert "Traceback" not in done.stdout
    assert re.search(step.says, done.stdout), done.stdout
