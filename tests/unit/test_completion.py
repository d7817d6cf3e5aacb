"""`groundcrew completion`: what a shell completes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from groundcrew import commands
from groundcrew.commands import completion
from groundcrew.project import ROOT

BASH = """\
source {script}
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()
_shtab_groundcrew groundcrew "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
echo "${{COMPREPLY[*]}}"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A machine whose PATH has `groundcrew`."""
    program = tmp_path / "groundcrew"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m groundcrew.commands "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def script(shell: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert commands.main(["completion", shell]) == 0
    file = folder / f"completion.{shell}"
    file.write_text(capsys.readouterr().out)
    return file


def test_every_command_is_completed() -> None:
    assert {name for name, _ in completion.parsers()} == set(commands.COMMANDS)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("groundcrew rel", "release releases"),
        ("groundcrew release hel", "hello hello-asgi"),
        ("groundcrew run hel", "hello hello-asgi"),
        ("groundcrew maintenance hello ''", "on off"),
        ("groundcrew deploy --only ngi", "nginx"),
        ("groundcrew deploy --sk", "--skip"),
        ("groundcrew secrets ''", "init edit show rekey"),
        ("groundcrew completion ''", "bash zsh fish"),
        ("groundcrew export ''", "kubernetes swarm"),
        ("groundcrew export swarm hel", "hello hello-asgi"),
    ],
)
def test_bash_completes(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
    *,
    words: str,
    completed: str,
) -> None:
    text = BASH.format(script=script("bash", tmp_path, capsys), words=words)
    shown = subprocess.check_output(["bash", "-c", text], text=True, cwd=ROOT, env=environment)
    assert shown.strip() == completed


@pytest.mark.skipif(not shutil.which("fish"), reason="needs fish")
def test_fish_completes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], environment: dict[str, str]
) -> None:
    line = f"source {script('fish', tmp_path, capsys)}; complete -C 'groundcrew release hel'"
    shown = subprocess.check_output(["fish", "-c", line], text=True, cwd=ROOT, env=environment)
    assert [item.split()[0] for item in shown.splitlines()] == ["hello", "hello-asgi"]


@pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh")
def test_zsh_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = script("zsh", tmp_path, capsys)
    assert subprocess.run(["zsh", "-n", str(file)], check=False).returncode == 0
    assert file.read_text().startswith("#compdef groundcrew\n")


def test_names_that_cannot_be_asked_for_are_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GROUNDCREW_INVENTORY", "nowhere.py")
    assert commands.main(["completion", "hosts"]) == 1
    assert capsys.readouterr() == ("", "")
