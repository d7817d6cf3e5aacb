"""Runs the host-side programs on this machine, in a temporary directory."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from groundcrew import remote
from groundcrew.entries import Absent, Directory, File, Link, PathEntry, PathState, payload
from groundcrew.remote import apply_files, safe_paths

USER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name


def file(path: Path, content: str, mode: str = "0644", **options: object) -> File:
    return File(str(path), content, mode, USER, GROUP, **options)  # type: ignore[arg-type]


def directory(path: Path, mode: str = "0755") -> Directory:
    return Directory(str(path), mode, USER, GROUP)


def apply(*entries: PathEntry, validate: str | None = None) -> subprocess.CompletedProcess[str]:
    request = json.dumps({"entries": [payload(entry) for entry in entries], "validate": validate})
    command = [sys.executable, "-ISc", remote.source("apply_files")]
    return subprocess.run(command, input=request, capture_output=True, text=True, check=False)


def inspect(*paths: Path, **options: object) -> dict[str, PathState]:
    request = json.dumps({"paths": [str(path) for path in paths], **options})
    command = [sys.executable, "-ISc", remote.source("inspect_files"), request]
    states: dict[str, PathState] = json.loads(subprocess.check_output(command, text=True))
    return states


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.lstat().st_mode):04o}"


def tree(root: Path) -> dict[str, tuple[str, str]]:
    """Everything below a directory: mode, and content or target."""
    files = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            content = str(path.readlink())
        else:
            content = path.read_text() if path.is_file() else ""
        files[str(path.relative_to(root))] = (mode(path), content)
    return files


def test_creates_what_is_listed_parents_first(tmp_path: Path) -> None:
    result = apply(
        directory(tmp_path / "a", "0750"),
        directory(tmp_path / "a/b"),
        file(tmp_path / "a/b/conf", "hello\n", "0640"),
        Link(str(tmp_path / "current"), "a/b"),
    )
    assert result.returncode == 0, result.stderr
    assert tree(tmp_path) == {
        "a": ("0750", ""),
        "a/b": ("0755", ""),
        "a/b/conf": ("0640", "hello\n"),
        "current": ("0777", "a/b"),
    }


def test_a_change_replaces_the_inode_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "conf"
    target.write_text("old")
    inode = target.stat().st_ino
    assert apply(file(target, "new")).returncode == 0
    assert target.read_text() == "new"
    assert target.stat().st_ino != inode
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]


def test_readers_see_the_old_or_the_new_file_while_it_is_validated(tmp_path: Path) -> None:
    target = tmp_path / "conf"
    target.write_text("old")
    seen = tmp_path / "seen"
    validate = f"cat {target} > {seen}"
    assert apply(file(target, "new", validate=validate)).returncode == 0
    assert seen.read_text() == "old"


def test_staging_is_exclusive_and_private_before_the_content_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[int, int]] = []
    modes_at_chown: list[str] = []
    real_open, real_fchown = os.open, os.fchown

    def record_open(path: str, flags: int, mode: int = 0o777, **options: Any) -> int:
        if flags & os.O_WRONLY:
            opened.append((flags, mode))
        return real_open(path, flags, mode, **options)

    def record_fchown(descriptor: int, uid: int, gid: int) -> None:
        modes_at_chown.append(f"{stat.S_IMODE(os.fstat(descriptor).st_mode):04o}")
        real_fchown(descriptor, uid, gid)

    monkeypatch.setattr(os, "open", record_open)
    monkeypatch.setattr(os, "fchown", record_fchown)
    with safe_paths.opened(str(tmp_path / "key")) as place:
        apply_files.stage(payload(file(tmp_path / "key", "s3cret", "0644", secret=True)), place)
    flags, created_mode = opened[0]
    assert flags & os.O_EXCL and flags & os.O_CREAT and flags & os.O_NOFOLLOW
    assert created_mode == 0o600
    assert modes_at_chown == ["0600"]


def test_a_file_that_its_validator_refuses_never_arrives(tmp_path: Path) -> None:
    target = tmp_path / "conf"
    target.write_text("good")
    result = apply(
        file(target, "bad", validate="grep -q good {}"), file(tmp_path / "other", "good")
    )
    assert result.returncode == 1
    assert f"{target}: refused by" in result.stderr
    assert tree(tmp_path) == {"conf": ("0644", "good")}


def test_a_refused_file_takes_the_directory_made_for_it_along(tmp_path: Path) -> None:
    result = apply(directory(tmp_path / "new"), file(tmp_path / "new/conf", "", validate="false"))
    assert "refused by" in result.stderr
    assert tree(tmp_path) == {}


def test_when_the_set_is_refused_everything_is_put_back(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("before")
    (tmp_path / "kept").chmod(0o604)
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "gone").write_text("still here")
    (tmp_path / "tree").mkdir(mode=0o711)
    (tmp_path / "tree/leaf").write_text("leaf")
    (tmp_path / "dir").mkdir(mode=0o700)
    before = tree(tmp_path)
    result = apply(
        directory(tmp_path / "dir", "0777"),
        directory(tmp_path / "new"),
        file(tmp_path / "new/file", "x"),
        file(tmp_path / "kept", "after", "0600"),
        file(tmp_path / "link", "now a file"),
        Link(str(tmp_path / "fresh"), "kept"),
        Absent(str(tmp_path / "gone")),
        Absent(str(tmp_path / "tree")),
        validate="echo 'broken at line 7' >&2; exit 3",
    )
    assert result.returncode == 1
    assert "broken at line 7" in result.stderr
    assert tree(tmp_path) == before


def test_the_set_is_validated_with_the_new_files_in_place(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    validate = f"grep -q new {tmp_path}/a && ! test -e {tmp_path}/tree"
    (tmp_path / "tree").mkdir()
    result = apply(file(tmp_path / "a", "new"), Absent(str(tmp_path / "tree")), validate=validate)
    assert result.returncode == 0, result.stderr
    assert tree(tmp_path) == {"a": ("0644", "new")}


def test_a_validator_cannot_print_a_secret(tmp_path: Path) -> None:
    secret = file(tmp_path / "key", "hunter2", "0600", secret=True, validate="cat {}; exit 1")
    result = apply(secret)
    assert result.returncode == 1
    assert "hunter2" not in result.stdout + result.stderr
    assert "hunter2" not in repr(secret)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (File("missing/conf", "x", user=USER, group=GROUP), "does not exist"),
        (File("conf", "x", user="no-such-user", group=GROUP), "no such user: no-such-user"),
        (File("dir", "x", user=USER, group=GROUP), "is a directory"),
        (Directory("plain", user=USER, group=GROUP), "is not a directory"),
        (
            Directory("link", user=USER, group=GROUP),
            "is a link, which is not followed here; to have",
        ),
        (Link("dir", "elsewhere"), "is a directory"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: PathEntry, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dir").mkdir()
    (tmp_path / "plain").write_text("plain")
    (tmp_path / "link").symlink_to("dir")
    before = tree(tmp_path)
    result = apply(file(tmp_path / "first", "x"), entry)
    assert result.returncode == 1
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert tree(tmp_path) == before


def test_absent_paths_may_be_absent_already(tmp_path: Path) -> None:
    assert apply(Absent(str(tmp_path / "nothing"))).returncode == 0


def test_inspection_reports_kinds_and_leaves_out_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "stale.conf").write_text("")
    states = inspect(
        tmp_path / "file",
        tmp_path / "link",
        tmp_path,
        tmp_path / "nothing",
        tmp_path / "file/below",
        globs=[[str(tmp_path), "*.conf"], [str(tmp_path / "nowhere"), "*"]],
    )
    assert {path: state["kind"] for path, state in states.items()} == {
        str(tmp_path / "file"): "file",
        str(tmp_path / "link"): "link",
        str(tmp_path): "directory",
        str(tmp_path / "stale.conf"): "file",
    }
    assert states[str(tmp_path / "file")]["mode"] == "0640"
    assert states[str(tmp_path / "link")]["target"] == "file"
    assert "content" not in states[str(tmp_path / "file")]
