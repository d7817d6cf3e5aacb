"""What a build leaves is removed, whatever it is; what it leaves running is not waited for."""

from __future__ import annotations

import os
import time
from pathlib import Path

from groundcrew.remote import build_steps
from groundcrew.remote.discard import discard


def deep(path: Path, levels: int) -> None:
    """Directories below one another, deeper than a path can be long."""
    path.mkdir()
    here = os.open(path, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("directory", dir_fd=here)
        below = os.open("directory", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_a_tree_of_any_depth_goes(tmp_path: Path) -> None:
    deep(tmp_path / "deep", 3000)
    discard(tmp_path / "deep", tmp_path / "not there")
    assert list(tmp_path.iterdir()) == []


def test_a_link_goes_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / "-rf").mkdir()
    (tmp_path / "-rf/link").symlink_to(tmp_path / "kept")
    (tmp_path / "nowhere").symlink_to("gone")
    discard(tmp_path / "-rf", tmp_path / "nowhere")
    assert [item.name for item in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept/file").exists()


def test_a_process_that_a_hook_leaves_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "release/app").mkdir(parents=True)
    payload = {
        "name": "shop",
        "release": str(tmp_path / "release"),
        "environment_directory": str(tmp_path / "environment"),
        "variables": {"PATH": os.environ["PATH"]},
        "app_dir": ".",
        "uv": "uv",
        "python": "python3",
        "hook_timeout": 60,
        "secrets": {},
    }
    steps = build_steps.Steps(payload)
    began = time.monotonic()
    steps.hook("echo begun > begun; setsid sleep 8 & true", {})
    assert time.monotonic() - began < 5
    assert (tmp_path / "release/app/begun").exists()
