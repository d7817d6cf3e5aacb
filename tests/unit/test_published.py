"""What a release's build leaves where files are published from: nothing else becomes public."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from groundcrew import remote
from groundcrew.remote import publish_frontend, publish_static
from tests.unit.test_safe_paths import SWAP


class Release:
    """A release on a host, and beside it what only root may read."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.monkeypatch = root, monkeypatch
        self.outside, self.code = root / "etc", root / "releases/one/app"
        self.outside.mkdir()
        (self.outside / "shadow").write_text("secret")
        self.static, self.served = self.code / "static", root / "served"
        self.static.mkdir(parents=True)
        (self.code / "settings.py").write_text("secret")
        (self.static.parent.parent / "env").write_text("secret")
        (self.static / "a.css").write_text("a")
        (self.static / "index.html").write_text("index")

    def payload(self, source: str = "static") -> dict[str, object]:
        return {
            "root": str(self.code),
            "source": str(self.code / source),
            "target": str(self.served),
            "release": "one",
            "previous": None,
            "grace": 60,
            "url": "/",
            "assets": [],
            "index": False,
            "gzip": None,
        }

    def publish(self, main: Callable[[], int], source: str = "static") -> int:
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(self.payload(source))))
        return main()

    def public(self) -> dict[str, str]:
        files = [path for path in self.served.rglob("*") if path.is_file()]
        return {path.name: path.read_text() for path in files if path.parent.name != ".releases"}


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    return Release(tmp_path, monkeypatch)


both = pytest.mark.parametrize("main", [publish_static.main, publish_frontend.main])
PUBLIC = {"a.css": "a", "index.html": "index"}


@both
@pytest.mark.parametrize("place", ["static", "public", "app"])
def test_a_directory_that_is_a_link_fails_the_release(
    release: Release, capsys: pytest.CaptureFixture[str], main: Callable[[], int], place: str
) -> None:
    if place == "app":
        release.code.rename(release.root / "code")
        (release.root / "etc/static").mkdir()
        release.code.symlink_to(release.outside)
    else:
        (release.code / place).parent.mkdir(exist_ok=True)
        if place == "static":
            release.static.rename(release.code / "elsewhere")
        (release.code / place).symlink_to(release.outside)
        (release.outside / "inner").mkdir()
    assert release.publish(main, "public/inner" if place == "public" else "static") == 1
    link = release.code if place == "app" else release.code / place
    assert f"{link} is a link or a file" in capsys.readouterr().err
    assert release.public() == {}


@both
def test_a_directory_elsewhere_is_refused(
    release: Release, capsys: pytest.CaptureFixture[str], main: Callable[[], int]
) -> None:
    assert release.publish(main, "../../../etc") == 1
    assert "is not in" in capsys.readouterr().err
    assert release.publish(main, "gone") == 1
    assert "is it built" in capsys.readouterr().err
    assert release.public() == {}


@both
def test_links_count_where_they_stay_in_the_directory(
    release: Release, main: Callable[[], int]
) -> None:
    static = release.static
    (static / "inner").mkdir()
    (static / "same.css").symlink_to("a.css")
    (static / "inner/up.css").symlink_to("../same.css")
    (static / "inner/again.css").symlink_to("../../static/inner/../a.css")
    (static / "absolute.css").symlink_to(static / "a.css")
    (static / "folder").symlink_to("inner")
    (static / "by-folder.css").symlink_to("folder/up.css")
    outward: dict[str, str | Path] = {
        "shadow": release.outside / "shadow",
        "env": "../../env",
        "settings": "../settings.py",
        "nested": "out/shadow",
        "chain": "shadow",
        "nothing": "nowhere",
        "circle": "circle",
        "directory": "..",
        "stdin": "/proc/self/fd/0",
        "device": "/dev/zero",
    }
    for name, target in outward.items():
        (static / name).symlink_to(target)
    (static / "out").symlink_to(release.outside)
    assert release.publish(main) == 0
    names = ("same.css", "up.css", "again.css", "absolute.css", "by-folder.css")
    assert release.public() == {**PUBLIC, **dict.fromkeys(names, "a")}


@both
def test_pipes_keep_nobody_waiting(release: Release, main: Callable[[], int]) -> None:
    os.mkfifo(release.static / "pipe")
    os.mkfifo(release.outside / "pipe")
    (release.static / "inside.css").symlink_to("pipe")
    (release.static / "outside.css").symlink_to(release.outside / "pipe")
    assert release.publish(main) == 0
    assert release.public() == PUBLIC


@both
def test_a_second_name_of_what_not_all_may_read(
    release: Release, capsys: pytest.CaptureFixture[str], main: Callable[[], int]
) -> None:
    os.link(release.outside / "shadow", release.static / "b.css")
    assert release.publish(main) == 0
    assert release.public() == {**PUBLIC, "b.css": "secret"}
    (release.static / "b.css").unlink()
    assert release.publish(main) == 0
    (release.outside / "shadow").chmod(0o600)
    os.link(release.outside / "shadow", release.static / "c.css")
    assert release.publish(main) == 1
    assert "c.css has a second name" in capsys.readouterr().err
    assert "c.css" not in release.public()


def test_a_build_does_not_say_what_is_kept(release: Release) -> None:
    (release.static / ".releases/one").mkdir(parents=True)
    (release.static / ".releases/one/x").write_text("x")
    (release.static / ".releases/before").write_text("x")
    assert release.publish(publish_static.main) == 0
    assert release.public() == PUBLIC
    assert [path.name for path in (release.served / ".releases").iterdir()] == ["one"]


@both
def test_names_that_are_no_text_are_served_and_go(
    release: Release, capsys: pytest.CaptureFixture[str], main: Callable[[], int]
) -> None:
    for name in (b"\xff.css", b"a\x0b\xe2\x80\xa8.css"):
        Path(os.fsdecode(bytes(release.static) + b"/" + name)).write_text("x")
    for new in ("4 new", "0 new"):
        assert release.publish(main) == 0
        assert new in capsys.readouterr().out
        assert sorted(release.public().values()) == ["a", "index", "x", "x"]
    (release.static / "two\nlines\x1b[31m.css").write_text("x")
    assert release.publish(main) == 1
    message = capsys.readouterr().err
    assert "a line feed in a name" in message
    assert "\x1b" not in message


def test_a_directory_that_becomes_a_link_meanwhile(release: Release) -> None:
    release.static.chmod(0o777)
    (release.static / "below").mkdir()
    (release.static / "below/shadow").write_text("public")
    (release.static / "link").symlink_to(release.outside)
    process = subprocess.Popen([sys.executable, "-ISc", SWAP], cwd=release.static)
    try:
        for _ in range(300):
            release.publish(publish_static.main)
            assert "secret" not in release.public().values()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("program", ["publish_static", "publish_frontend"])
def test_the_program_as_it_is_sent(release: Release, program: str) -> None:
    command = [sys.executable, "-ISc", remote.source(program)]
    subprocess.run(command, input=json.dumps(release.payload()), text=True, check=True)
    assert release.public() == PUBLIC
