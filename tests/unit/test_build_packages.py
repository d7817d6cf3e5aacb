"""Packages of builds: what a build has linked with stays."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from groundcrew.remote import build_packages


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    commands: list[list[str]] = []
    listed = {
        "libpq5": "/usr/lib/x/libpq.so.5\n/usr/lib/x/libpq.so.5.15\n/usr/share/doc/libpq5",
        "libpq-dev": "/usr/lib/x/libpq.so\n/usr/include/libpq-fe.h",
        "libother1": "/usr/lib/x/libother.so.1",
    }

    def run(command: list[str]) -> str:
        commands.append(command)
        return listed.get(command[-1], "")

    monkeypatch.setattr(build_packages, "_run", run)
    monkeypatch.setattr(build_packages, "_registered", lambda: set(listed))
    monkeypatch.setattr(build_packages, "_installed", set)
    return commands


def elf(path: Path, *names: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF" + b"".join(b"\0" + name.encode() for name in names) + b"\0")


def kept(calls: list[list[str]]) -> list[str]:
    return [name for call in calls if call[0] == "apt-mark" for name in call[2:]]


def test_a_library_that_the_result_names_stays(calls: list[list[str]], tmp_path: Path) -> None:
    elf(tmp_path / "venv/lib/psycopg2/_psycopg.cpython-311.so", "libc.so.6", "libpq.so.5")
    build_packages._keep_linked([str(tmp_path), str(tmp_path / "gone")])
    assert kept(calls) == ["libpq5"]


def test_what_only_mentions_it_or_lies_elsewhere_does_not_count(
    calls: list[list[str]], tmp_path: Path
) -> None:
    elf(tmp_path / "outside/a.so", "libother.so.1")
    inside = tmp_path / "venv"
    inside.mkdir()
    (inside / "notes.so.txt").write_text("libpq.so.5\0")
    (inside / "link.so").symlink_to(tmp_path / "outside/a.so")
    (inside / "folder").symlink_to(tmp_path / "outside")
    os.mkfifo(inside / "pipe.so")
    # Another library whose name only begins like it.
    elf(inside / "b.so", "libpq.so.50")
    (inside / "empty.so").touch()
    build_packages._keep_linked([str(inside)])
    assert kept(calls) == []


def test_what_is_linked_is_named_as_a_real_program_names_it(tmp_path: Path) -> None:
    python = Path(shutil.which("git") or "/bin/sh").resolve()
    needed = subprocess.run(["ldd", python], capture_output=True, text=True, check=True).stdout
    name = next(line.split()[0] for line in needed.splitlines() if line.strip().startswith("lib"))
    libraries = {name.encode() + b"\0": "its-package", b"libnobody.so.1\0": "none"}
    assert build_packages._named(str(python), libraries) == {"its-package"}
