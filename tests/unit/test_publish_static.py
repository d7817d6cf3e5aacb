"""Static files of several releases beside each other."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote import publish_static


def run(monkeypatch: pytest.MonkeyPatch, **payload: Any) -> int:
    payload.setdefault("root", str(Path(payload["source"]).parent))
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(payload)))
    return publish_static.main()


def release(root: Path, name: str, files: dict[str, str]) -> Path:
    for path, text in files.items():
        file = root / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root / name


def test_old_assets_stay_for_their_grace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = tmp_path / "served"
    one = release(tmp_path, "one", {"app.1111.js": "1", "css/site.css": "old"})
    two = release(tmp_path, "two", {"app.2222.js": "2", "css/site.css": "new"})
    three = release(tmp_path, "three", {"app.3333.js": "3"})
    options = {"target": str(served), "grace": 3600}
    assert run(monkeypatch, source=str(one), release="one", previous=None, **options) == 0
    assert run(monkeypatch, source=str(two), release="two", previous="one", **options) == 0
    assert (served / "app.1111.js").read_text() == "1"
    assert (served / "app.2222.js").read_text() == "2"
    assert (served / "css/site.css").read_text() == "new"

    long_ago = time.time() - 7200
    os.utime(served / ".releases" / "one", (long_ago, long_ago))
    assert run(monkeypatch, source=str(three), release="three", previous="two", **options) == 0
    assert not (served / "app.1111.js").exists()
    assert (served / "app.2222.js").exists()
    assert oct((served / "app.3333.js").stat().st_mode & 0o777) == "0o644"


def test_going_back_brings_the_old_content_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "served"
    one = release(tmp_path, "one", {"site.css": "old"})
    two = release(tmp_path, "two", {"site.css": "new"})
    options = {"target": str(served), "grace": 3600}
    run(monkeypatch, source=str(one), release="one", previous=None, **options)
    run(monkeypatch, source=str(two), release="two", previous="one", **options)
    run(monkeypatch, source=str(one), release="one", previous="two", **options)
    assert (served / "site.css").read_text() == "old"


def test_a_link_out_of_the_release_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "env"
    secret.write_text("secret")
    one = release(tmp_path, "one", {"a.css": "a"})
    (one / "leak").symlink_to(secret)
    served = tmp_path / "served"
    run(monkeypatch, source=str(one), target=str(served), release="one", previous=None, grace=1)
    assert not (served / "leak").exists()
    assert (served / "a.css").exists()


def test_a_missing_directory_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, served = str(tmp_path / "nowhere"), str(tmp_path / "served")
    status = run(monkeypatch, source=missing, target=served, release="a", previous=None, grace=1)
    assert status == 1
    assert "no directory" in capsys.readouterr().err
