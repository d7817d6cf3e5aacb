from __future__ import annotations

import hashlib

import pytest

from groundcrew.entries import (
    Absent,
    Directory,
    Entry,
    File,
    Link,
    PathState,
    changes,
    differs,
)


def state(content: str, mode: str = "0644", user: str = "root") -> PathState:
    digest = hashlib.sha256(content.encode()).hexdigest()
    return {"kind": "file", "mode": mode, "user": user, "group": "root", "sha256": digest}


def test_a_file_differs_in_content_mode_owner_or_kind() -> None:
    entry = File("/etc/x", "text")
    assert not differs(entry, state("text"))
    assert not differs(File("/etc/x", "text", mode="644"), state("text"))
    assert differs(entry, None)
    assert differs(entry, state("other"))
    assert differs(entry, state("text", mode="0600"))
    assert differs(entry, state("text", user="nobody"))
    assert differs(entry, {"kind": "link", "mode": "0644", "user": "root", "group": "root"})


def test_links_directories_and_absence() -> None:
    link: PathState = {"kind": "link", "target": "b"}
    directory: PathState = {"kind": "directory", "mode": "0750", "user": "root", "group": "root"}
    assert not differs(Link("/a", "b"), link)
    assert differs(Link("/a", "c"), link)
    assert not differs(Link("/a", "c", initial=True), link)
    assert differs(Link("/a", "c", initial=True), None)
    assert not differs(Directory("/d", "0750"), directory)
    assert differs(Directory("/d"), directory)
    assert differs(Absent("/a"), link)
    assert not differs(Absent("/a"), None)


def test_purge_spares_what_is_kept_or_listed() -> None:
    states = {f"/etc/app.d/{name}": state("") for name in ("a.conf", "b.conf", "c.conf", "README")}
    states["/etc/app.d/sub/d.conf"] = state("")
    entries: list[Entry] = [Directory("/run/x"), File("/sbin/x", "a")]
    assert changes([*entries, *entries], {}) == entries
    with pytest.raises(ValueError, match="two different files for /sbin/x"):
        changes([File("/sbin/x", "a"), File("/sbin/x", "b")], {})
