"""Package repositories besides Debian's."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from groundcrew.entries import File, Purge
from groundcrew.roles.base import apt_files, apt_sources
from groundcrew.roles.base.apt_sources import ARMOR
from groundcrew.roles.base.settings import BaseSettings


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.asc"
    path.write_text(f"{ARMOR}\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----\n")
    return path


def source(key_file: Path, **values: Any) -> dict[str, Any]:
    given = {
        "url": "https://repo.example.org/apt/debian",
        "suite": "bookworm/demo/8.0",
        "components": ["main"],
        "key": str(key_file),
        "packages": ["demo-*", "demosh"],
    }
    return {**given, **values}


def settings(**sources: Any) -> BaseSettings:
    return BaseSettings.model_validate({"apt_sources": sources})


def test_a_source_has_a_key_of_its_own_and_provides_what_is_named(key: Path) -> None:
    entries = apt_files.entries(settings(demo=source(key), old=None).apt_sources)
    files = {entry.path: str(entry.content) for entry in entries if isinstance(entry, File)}
    assert files["/etc/apt/sources.list.d/groundcrew-demo.sources"].splitlines()[1:] == [
        "Types: deb",
        "URIs: https://repo.example.org/apt/debian",
        "Suites: bookworm/demo/8.0",
        "Components: main",
        "Signed-By: /etc/apt/keyrings/groundcrew-demo.asc",
    ]
    pins = files["/etc/apt/preferences.d/groundcrew-demo.pref"]
    assert 'Package: *\nPin: origin "repo.example.org"\nPin-Priority: -1\n' in pins
    assert 'Package: demo-* demosh\nPin: origin "repo.example.org"\nPin-Priority: 500\n' in pins
    assert "/etc/apt/keyrings/groundcrew-demo.asc" in files


def test_a_flat_repository_and_a_key_that_is_not_armored(tmp_path: Path) -> None:
    key = tmp_path / "key.gpg"
    key.write_bytes(b"\x99\x01\x0d\x04")
    flat = source(key, suite="./", components=[])
    entries = apt_files.entries(settings(flat=flat).apt_sources)
    files = {entry.path: entry.content for entry in entries if isinstance(entry, File)}
    assert files["/etc/apt/keyrings/groundcrew-flat.gpg"] == key.read_bytes()
    assert "Components" not in str(files["/etc/apt/sources.list.d/groundcrew-flat.sources"])


def test_a_relative_path_is_the_project_s(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apt_sources, "PROJECT", tmp_path)
    entries = apt_files.entries(settings(demo=source(Path(key.name))).apt_sources)
    assert key.read_bytes() in [entry.content for entry in entries if isinstance(entry, File)]


def test_sources_that_are_no_longer_set_go(key: Path) -> None:
    entries = apt_files.leftovers(settings(demo=source(key), old=None).apt_sources)
    purged = {item.directory: item.keep for item in entries if isinstance(item, Purge)}
    assert purged["/etc/apt/sources.list.d"] == ("groundcrew-demo.sources",)
    assert apt_files.entries({}) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"url": "ftp://repo.example.org/"}, "url"),
        ({"suite": "bookworm", "components": []}, "needs at least one, such as main"),
        ({"suite": "./"}, "flat repository"),
        ({"packages": []}, "packages"),
        ({"packages": ["*"]}, "packages"),
        ({"packages": ["a*"]}, "names too many packages"),
        ({"key": "/nowhere/key.asc"}, "cannot be read on this machine"),
    ],
)
def test_what_is_wrong_is_said_before_a_host_is_touched(
    key: Path, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(demo=source(key, **values))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "private key"),
        ("<html>404 not found</html>", "not an OpenPGP public key"),
        ("", "not an OpenPGP public key"),
    ],
)
def test_a_key_that_is_none(key: Path, content: str, said: str) -> None:
    key.write_text(content)
    with pytest.raises(ValidationError, match=said):
        settings(demo=source(key))


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("deb http://repo.example.org/debian bookworm main", True),
        ("URIs: http://repo.example.org:8080/debian", True),
        ("URIs: https://user:password@repo.example.org/debian", True),
        ("URIs: http://repoXexample.org/debian", False),
        ("URIs: http://deb.debian.org/repo.example.org/", False),
    ],
)
def test_a_mirror_of_debian_is_not_shut_out(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, refused: bool
) -> None:
    monkeypatch.setattr(apt_files, "SOURCES_LIST", str(tmp_path / "sources.list"))
    monkeypatch.setattr(apt_files, "SOURCES", str(tmp_path / "sources.list.d"))
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(f"{line}\n")
    own = tmp_path / "sources.list.d/groundcrew-demo.sources"
    own.write_text("URIs: https://repo.example.org/apt/debian\n")
    script = apt_files.validator(settings(demo=source(key)).apt_sources)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == refused, done.stderr
    assert ("a name of its own" in done.stderr) == refused
