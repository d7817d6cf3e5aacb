"""Files that others may not read are there whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from groundcrew.remote.private_file import write_private


def test_it_is_private_whatever_the_mask_and_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    before = os.umask(0)
    try:
        write_private(str(path), "one")
        path.chmod(0o644)
        write_private(str(path), "two")
    finally:
        os.umask(before)
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    write_private(str(path), "three", 0o640)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_failure_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    write_private(str(path), "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_private(str(path), "new")
    assert path.read_text() == "old"
