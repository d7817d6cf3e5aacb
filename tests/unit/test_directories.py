"""Directories are closed at once in pyinfra's process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WALK = """
import os, resource, shutil, sys
import pyinfra_cli.cli
import gevent
from groundcrew.adapter import directories

if sys.argv[2] == "installed":
    directories.install()
gevent.sleep(0)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
shutil.rmtree(sys.argv[1])
os.close(os.open("/", os.O_RDONLY))
for wrong in (-1, 9999):
    try:
        os.close(wrong)
    except OSError as error:
        print(error.strerror)
"""


def walk(tree: Path, how: str) -> subprocess.CompletedProcess[str]:
    """Removes a tree in a process that may open fewer files than the tree has directories."""
    for number in range(200):
        (tree / str(number)).mkdir(parents=True)
    command = [sys.executable, "-c", WALK, str(tree), how]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_large_tree_is_removed(tmp_path: Path) -> None:
    done = walk(tmp_path / "tree", "installed")
    assert (done.returncode, done.stdout) == (0, "Bad file descriptor\n" * 2), done.stderr
    assert not (tmp_path / "tree").exists()


def test_without_that_it_is_not(tmp_path: Path) -> None:
    """Otherwise the adapter has nothing to do here any more."""
    assert "Too many open files" in walk(tmp_path / "tree", "as it is").stderr
