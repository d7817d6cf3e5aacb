"""Copies of Prometheus' blocks, whose owner is not trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from groundcrew.remote.backup_source import Scratch, SourceError
from groundcrew.roles.monitoring import on_host_backup as backup

FIRST, SECOND = "01JDV5Z3M8Q4W7X9Y2B6C1D0EF", "01JDV5Z3M8Q4W7X9Y2B6C1D0EG"
LIST = f"""\
BLOCK ULID                  MIN TIME       MAX TIME       DURATION  NUM SAMPLES  NUM CHUNKS
{FIRST}  1795965000000  1795968000000  50m0s     100          10
{SECOND}  1795968000000  1795972000000  1h6m      100          10
"""


def block(folder: Path, name: str) -> Path:
    made = folder / name
    (made / "chunks").mkdir(parents=True)
    for part in ("index", "meta.json", "tombstones", "chunks/000001"):
        (made / part).write_text(f"{name} {part}")
    return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "snapshot"
    block(folder, FIRST)
    block(folder, SECOND)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "copies"
    folder.mkdir()
    return folder


def test_only_new_blocks_are_copied(source: Path, target: Path) -> None:
    (target / FIRST).mkdir()
    (source / "strange").mkdir()
    assert backup.copy_new(str(source), str(target)) == [FIRST, SECOND]
    assert list((target / FIRST).iterdir()) == []
    assert sorted(item.name for item in target.iterdir()) == [FIRST, SECOND]
    assert (target / SECOND / "chunks/000001").read_text() == f"{SECOND} chunks/000001"
    assert (target / SECOND / "index").stat().st_mode & 0o777 == 0o600


def test_no_link_is_followed(source: Path, target: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (source / FIRST / "index").unlink()
    (source / FIRST / "index").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic links"):
        backup.copy_new(str(source), str(target))
    assert not (target / FIRST).exists()
    (tmp_path / "link").symlink_to(source)
    with pytest.raises(OSError, match="link"):
        backup.copy_new(str(tmp_path / "link"), str(target))


def test_a_pipe_is_no_file(source: Path, target: Path) -> None:
    (source / FIRST / "tombstones").unlink()
    os.mkfifo(source / FIRST / "tombstones")
    with pytest.raises(SourceError, match="no file"):
        backup.copy_new(str(source), str(target))


def test_the_end_of_each_block_is_read() -> None:
    assert backup.ends(LIST) == [1795968000000, 1795972000000]


def test_a_drill_tells_that_blocks_are_missing(tmp_path: Path) -> None:
    block(tmp_path / "data", FIRST)
    scratch = Scratch(str(tmp_path), "s", "/run/netns/s", "s.slice")
    assert backup.compare({}, scratch, {"blocks": 1}) == []
    assert backup.compare({}, scratch, {"blocks": 2}) == ["1 of 2 blocks are there"]
