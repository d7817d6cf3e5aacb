"""Directories in which everything new gets the same mode, whatever the umask of who makes it."""

from __future__ import annotations

import os
from pathlib import Path

from groundcrew.entries import Directory, differs, payload
from groundcrew.remote import apply_files, default_mode, inspect_files


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o7777:04o}"


def entry(path: Path) -> Directory:
    user, group = str(os.getuid()), str(os.getgid())
    return Directory(str(path), mode="2750", user=user, group=group, default_mode="0750")


def test_a_umask_does_not_count(tmp_path: Path) -> None:
    media = tmp_path / "media"
    apply_files.Change([payload(entry(media))]).apply(None)
    before = os.umask(0o077)
    try:
        (media / "new.txt").write_text("x")
        (media / "below").mkdir()
        (media / "below" / "new.txt").write_text("x")
    finally:
        os.umask(before)
    assert (mode(media / "new.txt"), mode(media / "below/new.txt")) == ("0640", "0640")
    assert mode(media / "below") == "2750"


def test_what_is_there_already_is_taken_over_once(tmp_path: Path) -> None:
    media = tmp_path / "media"
    (media / "below").mkdir(parents=True, mode=0o700)
    old, outside = media / "below" / "old.txt", tmp_path / "outside.txt"
    for file in (old, outside):
        file.write_text("x")
        file.chmod(0o600)
    (media / "link").symlink_to(outside)
    apply_files.Change([payload(entry(media))]).apply(None)
    assert (mode(old), mode(media / "below"), mode(outside)) == ("0640", "2750", "0600")
    old.chmod(0o600)
    apply_files.Change([payload(entry(media))]).apply(None)
    assert mode(old) == "0600"


def test_it_is_seen_and_compared(tmp_path: Path) -> None:
    media = tmp_path / "media"
    wanted = entry(media)
    apply_files.Change([payload(wanted)]).apply(None)
    state = inspect_files.inspect(str(media), False, {})
    assert state is not None
    state |= {"user": wanted.user, "group": wanted.group}
    assert state["default_mode"] == "0750"
    assert not differs(wanted, state)
    del state["default_mode"]
    assert differs(wanted, state)


def test_another_group_s_list_is_another_one(tmp_path: Path) -> None:
    media = tmp_path / "media"
    apply_files.Change([payload(entry(media))]).apply(None)
    for group, mode, seen in ((os.getgid(), 0o750, "0750"), (os.getgid() + 1, 0o750, None)):
        os.setxattr(media, default_mode.ATTRIBUTE, default_mode.acl(mode, group))
        assert default_mode.default_mode(str(media)) == seen
    os.removexattr(media, default_mode.ATTRIBUTE)
    assert default_mode.default_mode(str(media)) is None


def test_the_group_stays_where_its_bit_goes(tmp_path: Path) -> None:
    media = tmp_path / "media"
    apply_files.Change([payload(entry(media))]).apply(None)
    below = media / "below"
    below.mkdir()
    below.chmod(0o750)
    (below / "deep").mkdir()
    (below / "deep" / "new.txt").write_text("x")
    for path in (below / "deep", below / "deep" / "new.txt"):
        data = os.getxattr(path, "system.posix_acl_access")
        named = [*default_mode.ENTRY.iter_unpack(data[4:])]
        assert (default_mode.GROUP, 5, os.getgid()) in named
    assert mode(below / "deep" / "new.txt") == "0640"
