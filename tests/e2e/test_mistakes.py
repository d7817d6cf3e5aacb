"""Mistakes of newcomers that only a host can tell: the last three lines say what to do.

The others are in tests/unit/test_mistakes.py.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import PYINFRA, ROOT, LabHost, pyinfra
from tests.e2e.test_wrong_values import inside

AGAIN = "run the same again"
TAKEN = 8088


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and the words that the last three lines must have."""

    words: tuple[str, ...]
    data: dict[str, Any] = field(default_factory=dict)
    edit: Callable[[Path], None] | None = None
    """What is done to the application's source."""


def code(old: str, new: str) -> Callable[[Path], None]:
    def edit(source: Path) -> None:
        path = source / "hello.py"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return edit


def requirements(text: str) -> Callable[[Path], None]:
    return lambda source: (source / "requirements.txt").write_text(text) and None


MISTAKES = {
    "an error of syntax in the application": Mistake(
        ("hello", "SyntaxError", "Fix ./hello.py line", AGAIN),
        edit=code("import platform", "import platform("),
    ),
    "a module that the requirements lack": Mistake(
        ("hello", "No module named 'requests'", "`requirements`", "apps/hello.yml", AGAIN),
        edit=code("import platform", "import platform\nimport requests"),
    ),
    "a package that nobody has": Mistake(
        ("hello", "no-such-package-of-anybody", "`requirements`", "apps/hello.yml", AGAIN),
        edit=requirements("flask\nno-such-package-of-anybody==1.0\n"),
    ),
    "an entry that the module lacks": Mistake(
        ("hello", "application", "`entry`", "apps/hello.yml", AGAIN),
        {"app.hello.entry": "hello:application"},
    ),
    "a module that is not there": Mistake(
        ("hello", "helo", "`entry`", "apps/hello.yml", AGAIN), {"app.hello.entry": "helo:app"}
    ),
    "a health path that is not there": Mistake(
        ("hello", "/helth gave status 404", "`health.path`", "apps/hello.yml", AGAIN),
        {"app.hello.health": {"path": "/helth", "timeout": 3}},
    ),
    "more memory than the host has": Mistake(
        ("memory plan", "limits.memory_max", AGAIN), {"app.hello.limits.memory_max": "9999G"}
    ),
    "a port that another program has": Mistake(
        (f"port {TAKEN}", "python3", "choose another port", AGAIN), {"app.hello.port": TAKEN}
    ),
}


@pytest.fixture(scope="module")
def host(bookworm: LabHost) -> Iterator[LabHost]:
    inside(bookworm, f"systemd-run -q --unit other python3 -m http.server {TAKEN}")
    yield bookworm
    inside(bookworm, "systemctl stop other")
    run = pyinfra(bookworm.name)
    assert run.status == 0, run.stderr


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_that_a_host_tells(host: LabHost, source: Path, name: str) -> None:
    mistake = MISTAKES[name]
    if mistake.edit:
        mistake.edit(source)
    data = {"apps": ["hello"], "app.hello.source.directory": str(source), **mistake.data}
    before = host.live("hello")
    values = [f"--data={key}={value if isinstance(value, str) else json.dumps(value)}"
              for key, value in data.items()]  # fmt: skip
    done = subprocess.run(
        [*PYINFRA, "inventory/lab.py", "deploy.py", "-y", f"--limit={host.name}", *values],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    last = "\n".join(done.stdout.splitlines()[-3:])
    assert [word for word in mistake.words if word not in last] == [], done.stdout
    assert host.live("hello") == before
