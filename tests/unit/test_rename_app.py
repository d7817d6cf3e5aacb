"""`groundcrew rename`: the data of an application under another name."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from groundcrew.facts.renaming import Renamed, RenamedState
from groundcrew.releases.renaming import in_the_way
from groundcrew.remote import rename_app, stop_app

FREE: RenamedState = {"data": True, "there": None, "mounts": [], "running": []}


@pytest.fixture
def srv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host on which shop has data and store has its directories; all users are this one."""
    root = tmp_path / "srv"
    for name in ("shop", "store"):
        (root / name / "shared/home").mkdir(parents=True)
        (root / name / "shared/data").mkdir()
    (root / "shop/secrets").mkdir()
    (root / "shop/shared/data/upload").write_text("x")
    (root / "shop/secrets/KEY.1").write_text("k")
    (tmp_path / "mounts").write_text(f"1 0 8:1 / {root} rw - ext4 /dev/a rw\n")
    monkeypatch.setattr(rename_app, "SRV", root)
    monkeypatch.setattr(rename_app, "MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr(stop_app, "SYSTEM", tmp_path)
    monkeypatch.setattr(pwd, "getpwnam", lambda _: pwd.getpwuid(os.getuid()))
    monkeypatch.setattr(grp, "getgrnam", lambda _: grp.getgrgid(os.getgid()))
    return root


def test_data_and_generated_secrets_move(srv: Path) -> None:
    assert rename_app.look("shop", "store") == FREE
    rename_app.move("shop", "store")
    assert (srv / "store/shared/data/upload").read_text() == "x"
    assert (srv / "store/secrets/KEY.1").read_text() == "k"
    assert not (srv / "shop/shared").exists()
    # Once more, nothing is left to do, and what has moved is not in the way.
    assert rename_app.look("shop", "store") == {**FREE, "data": False}
    rename_app.move("shop", "store")
    assert (srv / "store/shared/data/upload").read_text() == "x"


def test_a_run_that_was_interrupted_is_continued(srv: Path) -> None:
    for name in ("data", "home", ""):
        (srv / "store/shared" / name).rmdir()
    (srv / "shop/shared").rename(srv / "store/shared")
    assert rename_app.look("shop", "store") == FREE
    rename_app.move("shop", "store")
    assert (srv / "store/secrets/KEY.1").read_text() == "k"
    assert (srv / "store/shared/data/upload").read_text() == "x"


def test_data_of_the_new_name_is_never_replaced(srv: Path) -> None:
    (srv / "store/shared/data/mine").write_text("y")
    there = str(srv / "store/shared/data/mine")
    state = rename_app.look("shop", "store")
    assert state["there"] == there
    assert there in in_the_way("shop", "store", {**FREE, "there": there})
    with pytest.raises(rename_app.RenameError):
        rename_app.move("shop", "store")
    assert (srv / "shop/shared/data/upload").read_text() == "x"
    assert (srv / "store/shared/data/mine").read_text() == "y"


def test_data_of_the_new_name_is_seen_even_if_only_secrets_would_move(srv: Path) -> None:
    (srv / "shop/shared/data/upload").unlink()
    (srv / "store/shared/data/mine").write_text("y")
    assert rename_app.look("shop", "store")["there"] == str(srv / "store/shared/data/mine")
    with pytest.raises(rename_app.RenameError):
        rename_app.move("shop", "store")
    assert (srv / "shop/secrets/KEY.1").exists()


def test_a_generated_secret_of_the_new_name_is_never_replaced(srv: Path) -> None:
    (srv / "store/secrets").mkdir()
    there = srv / "store/secrets/KEY.1"
    there.write_text("k")
    assert rename_app.look("shop", "store") == FREE
    there.write_text("another")
    assert rename_app.look("shop", "store")["there"] == str(there)
    with pytest.raises(rename_app.RenameError, match="data of its own"):
        rename_app.move("shop", "store")
    # Nothing has moved.
    assert there.read_text() == "another"
    assert (srv / "shop/secrets/KEY.1").read_text() == "k"
    assert (srv / "shop/shared/data/upload").read_text() == "x"


def test_a_volume_at_the_new_place_is_noticed_before_owners_change(
    srv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"{srv}/store/shared/data"
    with (srv.parent / "mounts").open("a") as file:
        file.write(f"2 1 8:2 / {place} rw - ext4 /dev/b rw\n")
    (srv / "store/shared/data/mine").write_text("y")
    given: list[str] = []
    monkeypatch.setattr(rename_app, "give", lambda *_: given.append("given"))
    state = rename_app.look("shop", "store")
    assert state["mounts"] == [place]
    assert "unmount it" in in_the_way("shop", "store", state)
    with pytest.raises(rename_app.RenameError):
        rename_app.move("shop", "store")
    assert given == []


def test_a_volume_is_told_with_what_to_change(srv: Path) -> None:
    place = f"{srv}/shop/shared/data"
    with (srv.parent / "mounts").open("a") as file:
        file.write(f"2 1 8:2 / {place} rw - ext4 /dev/b rw\n3 1 8:3 / {srv}/shop2 rw - x y rw\n")
    assert rename_app.look("shop", "store")["mounts"] == [place]
    told = in_the_way("shop", "store", {**FREE, "mounts": [place]})
    assert "/etc/fstab" in told
    assert place in told
    with pytest.raises(rename_app.RenameError):
        rename_app.move("shop", "store")


def test_what_runs_is_not_given_other_data(srv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rename_app, "running", lambda _: ["store@1.service"])
    state = rename_app.look("shop", "store")
    assert state["running"] == ["store@1.service"]
    assert "playbooks/stop.py" in in_the_way("shop", "store", state)
    with pytest.raises(rename_app.RenameError):
        rename_app.move("shop", "store")


def test_links_of_an_application_lead_nowhere(srv: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("theirs")
    before = outside.stat()
    (srv / "shop/shared/data/link").symlink_to(outside)
    rename_app.move("shop", "store")
    assert (srv / "store/shared/data/link").is_symlink()
    assert outside.stat().st_ctime_ns == before.st_ctime_ns


def test_the_fact_reads_what_the_program_prints() -> None:
    assert Renamed.default()["data"] is False
    line = '{"data": true, "there": null, "mounts": [], "running": []}'
    assert Renamed().process([line]) == FREE
