"""`. bin/_setup` gives a person's shell a PATH, and takes nothing from it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
PYTHON = shutil.which("python3", path="/usr/local/bin:/usr/bin") or sys.executable

# What a person's shell may notice, but for PATH; the last word tells that it is still there.
LOOK = {
    "bash": 'set +o; shopt; declare -F; pwd; compgen -v | grep -vxE "_|PIPESTATUS|BASH.*|.*LINENO"',
    "zsh": "set -o; print -rl -- ${(ok)functions}; pwd; print -rl -- ${(ok)parameters:#(_|*?*)}",
    "dash": "set +o; pwd; set | sed 's/=.*//' | grep -v '^_$'",
}
SHELLS = sorted(LOOK)


class Checkout:
    """The commands alone, with a .venv that counts as made unless `fresh`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / "bin", root / "bin")
        (root / "requirements").mkdir()
        lock = root / "requirements/dev.lock"
        lock.write_text("# nothing\n")
        venv = root / ".venv"
        (venv / "bin").mkdir(parents=True)
        digest = hashlib.sha256(lock.read_bytes()).hexdigest()
        (venv / ".lock").write_text(f"{digest}  requirements/dev.lock\n")

    def fresh(self) -> None:
        shutil.rmtree(self.root / ".venv")


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    # Not below pytest's own directory, which only its user may enter.
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "a checkout"
        root.mkdir()
        Path(name).chmod(0o755)
        yield Checkout(root)


def shell(
    name: str, script: str, cwd: Path, *, path: str | None = None, user: int | None = None
) -> subprocess.CompletedProcess[str]:
    flags = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "dash": []}[name]
    return subprocess.run(
        [name, *flags, "-c", script],
        cwd=cwd,
        env={"HOME": str(cwd), "PATH": path or os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        user=user,
    )


@pytest.mark.parametrize("name", SHELLS)
def test_only_path_changes(name: str, checkout: Checkout) -> None:
    look = LOOK[name]
    script = f"({look}) >before; . bin/_setup; ({look}) >after; echo $? $PATH"
    ran = shell(name, script, checkout.root)
    assert ran.stderr == ""
    assert ran.stdout == f"0 {checkout.root}/.venv/bin:{os.environ['PATH']}\n"
    assert (checkout.root / "after").read_text() == (checkout.root / "before").read_text()


@pytest.mark.parametrize("name", SHELLS)
def test_the_shell_outlives_a_command_that_fails(name: str, checkout: Checkout) -> None:
    ran = shell(name, ". bin/_setup; false; : $unset; false | true; echo still here", checkout.root)
    assert ran.stdout == "still here\n"


@pytest.mark.parametrize("name", SHELLS)
def test_a_second_time_adds_nothing(name: str, checkout: Checkout) -> None:
    ran = shell(
        name, '. bin/_setup; first=$PATH; . bin/_setup; echo "${PATH#"$first"}"', checkout.root
    )
    assert ran.stdout == "\n"


@pytest.mark.parametrize("name", SHELLS)
def test_strict_shells_can_read_it(name: str, checkout: Checkout) -> None:
    ran = shell(name, "set -eu; . bin/_setup; echo $PATH", checkout.root)
    assert ran.stdout.startswith(f"{checkout.root}/.venv/bin:"), ran.stderr


@pytest.mark.parametrize("name", ["bash", "zsh"])
@pytest.mark.parametrize("written", ["absolute", "relative"])
def test_it_can_be_read_from_elsewhere(name: str, written: str, checkout: Checkout) -> None:
    elsewhere = checkout.root.parent / "elsewhere"
    elsewhere.mkdir()
    file = checkout.root / "bin/_setup" if written == "absolute" else "../a checkout/bin/_setup"
    ran = shell(name, f"CDPATH=/tmp; . '{file}'; echo $PATH; pwd", elsewhere)
    assert ran.stdout == f"{checkout.root}/.venv/bin:{os.environ['PATH']}\n{elsewhere}\n"
    assert list(elsewhere.iterdir()) == []


def test_dash_refuses_elsewhere_and_touches_nothing(checkout: Checkout) -> None:
    elsewhere = checkout.root.parent / "elsewhere"
    elsewhere.mkdir()
    before = sorted(Path("/").iterdir())
    ran = shell("dash", f". '{checkout.root}/bin/_setup'; echo $? $PATH", elsewhere)
    assert ran.stdout == f"1 {os.environ['PATH']}\n"
    assert ran.stderr == "groundcrew: cd into the checkout first, then `. bin/_setup`\n"
    assert list(elsewhere.iterdir()) == []
    assert sorted(Path("/").iterdir()) == before


@pytest.mark.parametrize("name", SHELLS)
def test_the_shell_stays_where_python_has_no_venv(name: str, checkout: Checkout) -> None:
    checkout.fresh()
    # Python as Debian has it without python3-venv.
    tools = checkout.root.parent / "tools"
    tools.mkdir()
    python = tools / "python3"
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] && exit 1\nexec {PYTHON} "$@"\n')
    python.chmod(0o755)
    user = None
    if os.geteuid() == 0:
        user = NOBODY
        os.chown(checkout.root, NOBODY, NOBODY)
    path = f"{tools}:/usr/bin:/bin"
    ran = shell(name, ". bin/_setup; echo $? $PATH", checkout.root, path=path, user=user)
    assert ran.stdout == f"1 {path}\n"
    assert ran.stderr.startswith("groundcrew: python3 has no venv module: install python3-venv")
    assert not (checkout.root / ".venv").exists()


def test_a_new_lock_makes_the_environment_anew_from_a_shell_that_uses_it(
    checkout: Checkout,
) -> None:
    """`python3` of that shell is the one in the environment, which is removed first."""
    (checkout.root / ".venv/bin/python3").symlink_to(PYTHON)
    (checkout.root / "requirements/dev.lock").write_text("# another\n")
    ran = shell("bash", ". bin/_setup; . bin/_setup; echo $?", checkout.root)
    assert ran.stdout == "0\n", ran.stderr
    (checkout.root / "requirements/dev.lock").write_text("# a third\n")
    inside = f"{checkout.root}/.venv/bin:{os.environ['PATH']}"
    ran = shell("bash", "bash bin/_venv", checkout.root, path=inside)
    assert ran.returncode == 0, ran.stderr
    assert "installing python3-venv" not in ran.stderr


def test_a_directory_that_is_no_checkout_is_left_alone(checkout: Checkout) -> None:
    (checkout.root / "requirements/dev.lock").unlink()
    before = sorted(checkout.root.rglob("*"))
    ran = shell("bash", ". bin/_setup; echo $?", checkout.root)
    assert ran.stdout == "1\n"
    assert "is no checkout of groundcrew" in ran.stderr
    assert sorted(checkout.root.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "run"),
    [
        ("unit", "pytest tests/unit"),
        ("unit -x tests/unit/test_a.py", "pytest -x tests/unit/test_a.py"),
        ("e2e tests/e2e/test_a.py", "pytest --durations=15 tests/e2e/test_a.py"),
        ("e2e tests/e2e/test_a.py::test_b", "pytest --durations=15 tests/e2e/test_a.py::test_b"),
        ("e2e -k host", "pytest tests/e2e --durations=15 -k host"),
        ("e2e", "python -m tests.lanes tests/e2e"),
        ("all", "python -m tests.lanes tests/unit tests/e2e"),
    ],
)
def test_paths_replace_all_tests(arguments: str, run: str, checkout: Checkout) -> None:
    tools = checkout.root / ".venv/bin"
    own = ("pytest", "python", "ruff", "mypy", "lint-imports")
    for name in (*own, "curl", "openssl", "ssh-keygen", "npm", "zsh"):
        # They say what they were asked for.
        (tools / name).write_text(f'#!/bin/sh\necho "{name} $*"\n')
        (tools / name).chmod(0o755)
    for name in ("tests/unit/test_a.py", "tests/e2e/test_a.py"):
        (checkout.root / name).parent.mkdir(parents=True)
        (checkout.root / name).touch()
    ran = shell("bash", f"bin/test {arguments}", checkout.root)
    assert ran.stdout.splitlines()[-1] == run, ran.stderr
