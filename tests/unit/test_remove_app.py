"""What of an application is found on a host, and what of others is not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from groundcrew.remote import remove_app

OURS = f"{remove_app.MARK}belongs to one release of shop; replaced with it.\n"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SRV", "RUN", "SYSTEM", "PROPERTIES", "TMPFILES", "CERTBOT", "LOGS"):
        folder = tmp_path / name.lower()
        folder.mkdir()
        monkeypatch.setattr(remove_app, name, folder)
    return tmp_path


def test_units_are_those_of_the_application_and_by_us(host: Path) -> None:
    system = host / "system"
    for name in ("shop@r1.service", "shop.mail@r1.1.service", "shop.tick@r1.timer", "shop.socket"):
        (system / name).write_text(OURS)
    for name in ("shopping@r1.service", "shop2.mail@r1.1.service"):
        (system / name).write_text(OURS)
    (system / "shop@mine.service").write_text("[Service]\n")
    (system / "shop.mail@mine.service").mkdir()
    assert remove_app.units("shop") == [
        "shop.mail@r1.1.service",
        "shop.socket",
        "shop.tick@r1.timer",
        "shop@r1.service",
    ]


def test_data_stays_unless_it_is_to_go(host: Path) -> None:
    root = host / "srv/shop"
    for name in ("releases/r1", "shared/home", "secrets", "cache"):
        (root / name).mkdir(parents=True)
    (root / "current").symlink_to("releases/gone")
    (root / "releases.log").touch()
    (host / "run/nginx/shop").mkdir(parents=True)
    for name in ("shop.access.log", "shop.access.log.1", "shopping.access.log"):
        (host / "logs" / name).touch()
    again = [root / "releases", root / "cache", root / "current"]
    assert remove_app.paths("shop", False) == [host / "run/nginx/shop", *again]
    assert remove_app.paths("shop", True) == [
        host / "run/nginx/shop",
        root,
        host / "logs/shop.access.log",
        host / "logs/shop.access.log.1",
    ]


def test_a_directory_of_somebody_elses_is_left_alone(host: Path) -> None:
    (host / "srv/shop/data").mkdir(parents=True)
    (host / "run/nginx/shop").mkdir(parents=True)
    assert remove_app.paths("shop", True) == []


def test_what_is_removed_is_removed_whole_and_nothing_else(host: Path) -> None:
    root, outside = host / "srv/shop", host / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (root / "shared").mkdir(parents=True)
    (root / "shared/link").symlink_to(outside)
    os.mkfifo(root / "shared/pipe")
    (root / "current").symlink_to(outside)
    # Deeper than Python's own way goes, and longer than a path may be.
    here = os.open(root / "shared", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        remove_app.remove([("path", str(root / "current")), ("path", str(root))])
        assert not root.exists()
    finally:
        # Nor is pytest's way down deep enough.
        subprocess.run(["rm", "-rf", str(root)], check=True)
    assert [path.name for path in outside.iterdir()] == ["kept"]
    remove_app.remove([("path", str(root))])
