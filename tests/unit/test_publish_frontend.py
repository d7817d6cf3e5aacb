"""Front ends of several releases: pages of the live one only, assets of those before too."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote import publish_frontend

SCRIPT = "console.log('a line');\n" * 100


def build(root: Path, name: str, files: dict[str, str]) -> str:
    for path, text in files.items():
        file = root / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return str(root / name)


class Host:
    """Where front ends are served."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.monkeypatch = root, monkeypatch
        self.served = root / "frontend"

    def publish(self, release: str, files: dict[str, str], **changes: Any) -> int:
        payload = {
            "root": str(self.root),
            "source": build(self.root, release, files),
            "target": str(self.served),
            "url": "/",
            "assets": ["/assets/"],
            "index": True,
            "gzip": 1000,
            "release": release,
            "grace": 3600,
            **changes,
        }
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(payload)))
        return publish_frontend.main()

    def switch(self, release: str) -> None:
        link = self.served / ".current"
        link.symlink_to(f"releases/{release}")
        link.replace(self.served / "current")

    def files(self) -> set[str]:
        return {
            str(path.relative_to(self.served))
            for path in self.served.rglob("*")
            if path.is_file() and ".releases" not in path.parts
        }


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_pages_wait_for_the_switch_and_assets_outlive_it(host: Host) -> None:
    assert host.publish("one", {"index.html": "1", "assets/a-1.js": SCRIPT}) == 0
    host.switch("one")
    assert host.publish("two", {"index.html": "2", "assets/a-2.js": SCRIPT}) == 0
    assert (host.served / "current/index.html").read_text() == "1"
    host.switch("two")
    assert (host.served / "current/index.html").read_text() == "2"
    assert not (host.served / "current/assets/a-1.js").exists()
    assert {"kept/assets/a-1.js", "kept/assets/a-1.js.gz", "kept/assets/a-2.js"} <= host.files()
    packed = (host.served / "current/assets/a-2.js.gz").read_bytes()
    assert gzip.decompress(packed).decode() == SCRIPT


def test_assets_go_after_their_grace_and_pages_with_the_release_after_next(host: Host) -> None:
    for release in ("one", "two"):
        assert host.publish(release, {"index.html": release, f"assets/{release}.js": "x"}) == 0
        host.switch(release)
    old = time.time() - 4000
    os.utime(host.served / "kept/.releases/one", (old, old))
    assert host.publish("three", {"index.html": "3", "assets/three.js": "x"}) == 0
    assert "kept/assets/one.js" not in host.files()
    assert "kept/assets/two.js" in host.files()
    assert {path.name for path in (host.served / "releases").iterdir()} == {"two", "three"}


def test_a_rollback_finds_everything_in_place(host: Host) -> None:
    for release in ("one", "two"):
        host.publish(release, {"index.html": release})
        host.switch(release)
    assert host.publish("one", {}) == 0
    host.switch("one")
    assert (host.served / "current/index.html").read_text() == "one"


def test_files_lie_at_the_paths_of_their_urls(host: Host) -> None:
    files = {"index.html": "x", "assets/a.js": "x"}
    assert host.publish("one", files, url="/shop/app/", assets=["/shop/app/assets/"]) == 0
    assert host.files() == {
        "releases/one/shop/app/index.html",
        "releases/one/shop/app/assets/a.js",
        "kept/shop/app/assets/a.js",
    }


def test_dot_files_stay_out_and_other_text_is_compressed_only_where_worth_it(host: Host) -> None:
    files = {
        "index.html": "x",
        ".env": "secret",
        ".well-known/security.txt": "x",
        "big.txt": SCRIPT,
        "big.png": SCRIPT,
        "own.css": SCRIPT,
        "own.css.gz": "made by the build",
    }
    assert host.publish("one", files) == 0
    names = {name.removeprefix("releases/one/") for name in host.files()}
    assert names == {*files, "big.txt.gz"} - {".env"}
    assert (host.served / "releases/one/own.css.gz").read_text() == "made by the build"
    assert host.publish("two", files, gzip=None) == 0
    assert "releases/two/big.txt.gz" not in host.files()


def test_a_release_that_was_cut_off_is_completed(host: Host) -> None:
    files = {"index.html": "x", "big.txt": SCRIPT}
    host.publish("one", files)
    directory = host.served / "releases/one"
    (directory / "index.html").unlink()
    (directory / "left.over").write_text("x")
    assert host.publish("one", files) == 0
    assert host.files() == {f"releases/one/{name}" for name in (*files, "big.txt.gz")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"root": "/", "source": "/nowhere"}, "is it built?"), ({}, "no index.html")],
)
def test_what_is_not_there_is_told(
    host: Host, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], message: str
) -> None:
    assert host.publish("one", {"other.html": "x"}, **changes) == 1
    assert message in capsys.readouterr().err
