"""Runs the dead man's switch on this machine, with stand-ins for systemd's commands."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from groundcrew.entries import Absent, Directory, File
from tests.unit.guard_switch import Switch
from tests.unit.test_apply_files import file, tree


@pytest.fixture
def switch(tmp_path: Path) -> Switch:
    return Switch(tmp_path)


def test_the_switch_is_armed_before_the_change_is_activated(switch: Switch) -> None:
    result = switch.apply(file(switch.root / "etc/conf", "new"))
    assert result.returncode == 0, result.stderr
    assert switch.events("systemd-run", "activated")[1:] == ["activated"]
    assert "--unit=groundcrew-guard-ssh.service" in switch.events("systemd-run")[0]
    assert (switch.state / "undo.json").stat().st_mode & 0o777 == 0o600
    assert switch.state.stat().st_mode & 0o777 == 0o700


def test_only_root_reads_what_is_kept(switch: Switch) -> None:
    switch.apply(file(switch.root / "etc/conf", "new"))
    assert switch.guard.stat().st_mode & 0o777 == 0o700
    assert switch.program.stat().st_mode & 0o777 == 0o600
    modes = {path.name: path.stat().st_mode & 0o777 for path in switch.state.iterdir()}
    assert modes == {"apply_files.py": 0o600, "undo.json": 0o600, "saved": 0o600}


def test_a_directory_that_others_can_change_is_not_used(switch: Switch) -> None:
    switch.guard.mkdir(parents=True)
    switch.guard.chmod(0o777)
    result = switch.apply(file(switch.root / "etc/conf", "new"))
    assert result.returncode == 1
    assert "no directory that root alone can change" in result.stderr
    assert tree(switch.root / "etc") == {}


def test_the_way_back_lasts_before_anything_is_changed(switch: Switch) -> None:
    """What a power cut may forget is what was not synced."""
    looked = switch.root / "looked"
    conf = switch.root / "etc/conf"
    look = f"cp {switch.log} {looked}; test ! -e {conf}"
    result = switch.apply(File(str(conf), "new", user=owner(), group=owner(), validate=look))
    assert result.returncode == 0, result.stderr
    order = [line.split()[1] for line in looked.read_text().splitlines() if line[:5] == "fsync"]
    changed = next(n for n, path in enumerate(order) if path.startswith(str(conf.parent)))
    synced = set(order[:changed])
    # The state's own name is the last.
    assert order[changed - 1] == str(switch.guard)
    assert {
        str(switch.root / "var"),
        str(switch.root / "var/groundcrew"),
        str(switch.guard),
        str(switch.guard / "ssh.new"),
        str(switch.guard / "ssh.new/saved"),
        str(switch.units),
        str(switch.units / "sysinit.target.wants"),
    } <= synced
    for name in ("ssh.new/.undo.json.", "ssh.new/.apply_files.py.", "../.put_back.py."):
        prefix = os.path.normpath(switch.guard / name)
        assert any(path.startswith(prefix) for path in synced), name


def owner() -> Any:
    return str(os.geteuid())


def test_the_unit_of_the_boot_is_enabled_before_anything_is_changed(switch: Switch) -> None:
    looked = switch.root / "looked"
    switch.apply(file(switch.root / "etc/conf", "new"), validate=f"cp -r {switch.units} {looked}")
    text = (looked / "groundcrew-guard.service").read_text()
    assert f"ConditionDirectoryNotEmpty={switch.guard}\n" in text
    assert f"ExecStart=/usr/bin/python3 -IS {switch.program} boot\n" in text
    assert "Before=network-pre.target sysinit.target nftables.service\n" in text
    assert "Before=ssh.service ssh.socket systemd-user-sessions.service\n" in text
    link = looked / "sysinit.target.wants/groundcrew-guard.service"
    assert link.readlink() == switch.units / "groundcrew-guard.service"


def test_the_sleeper_puts_everything_back(switch: Switch) -> None:
    kept, gone = switch.root / "etc/kept", switch.root / "etc/gone"
    kept.write_text("old")
    kept.chmod(0o640)
    gone.write_text("was here")
    before = tree(switch.root / "etc")
    result = switch.apply(
        file(kept, "new"), file(switch.root / "etc/extra", "x"), Absent(str(gone))
    )
    assert result.returncode == 0, result.stderr
    assert tree(switch.root / "etc") != before
    switch.wake_up()
    assert tree(switch.root / "etc") == before
    assert switch.events()[-2:] == ["restored before", "reactivated"]
    assert switch.left() == []


def test_the_operator_puts_everything_back(switch: Switch) -> None:
    conf = switch.root / "etc/conf"
    switch.apply(file(conf, "new"))
    result = switch.put_back("back", "ssh")
    assert (result.returncode, result.stderr) == (0, "")
    assert not conf.exists()
    assert switch.events()[-3:] == [
        "systemctl stop groundcrew-guard-ssh.service",
        "restored before",
        "reactivated",
    ]
    assert switch.left() == []


@pytest.mark.parametrize("others", ["wake_up", "boot", "back"])
def test_a_change_that_was_kept_is_not_put_back(switch: Switch, others: str) -> None:
    conf = switch.root / "etc/conf"
    switch.apply(file(conf, "new"))
    switch.state.rename(switch.guard / "ssh.kept")
    other: dict[str, Callable[[], object]] = {
        "wake_up": switch.wake_up,
        "boot": switch.boot,
        "back": partial(switch.put_back, "back", "ssh"),
    }
    other[others]()
    assert conf.read_text() == "new"
    assert switch.left() == []
    assert "restored before" not in switch.events()


@pytest.mark.parametrize(
    "failure",
    [{"validate": "echo wrong >&2; false"}, {"activate": ["echo wrong >&2; false"]}],
    ids=["validation", "activation"],
)
def test_what_fails_at_once_is_put_back_at_once(switch: Switch, failure: dict[str, Any]) -> None:
    conf = switch.root / "etc/conf"
    conf.write_text("old")
    result = switch.apply(file(conf, "new"), **failure)
    assert result.returncode == 1
    assert "wrong" in result.stderr and "Everything was put back." in result.stderr
    assert conf.read_text() == "old"
    assert switch.left() == []
    assert switch.events()[-3] == "systemctl stop groundcrew-guard-ssh.service"


def test_an_unfinished_change_is_taken_over_with_its_own_way_back(switch: Switch) -> None:
    first, second = switch.root / "etc/first", switch.root / "etc/second"
    first.write_text("original")
    second.write_text("original")
    assert switch.apply(file(first, "attempt 1")).returncode == 0
    stops = len(switch.events("systemctl stop"))
    result = switch.apply(
        file(first, "attempt 2"), file(second, "attempt 2"), snapshot=["echo too late > saved"]
    )
    assert result.returncode == 0, result.stderr
    assert switch.events("systemctl stop")[stops:] == [
        "systemctl stop groundcrew-guard-ssh.service"
    ]
    switch.wake_up()
    assert (first.read_text(), second.read_text()) == ("original", "original")
    assert switch.events()[-2] == "restored before"


def test_without_a_way_back_nothing_is_changed(switch: Switch) -> None:
    conf = switch.root / "etc/conf"
    conf.write_text("old")
    switch.stand_in("systemd-run", "echo no bus >&2; exit 1")
    result = switch.apply(File(str(conf), "new"))
    assert result.returncode == 1
    assert "no bus" in result.stderr and "Nothing was changed." in result.stderr
    assert conf.read_text() == "old"
    assert switch.left() == []


def test_an_unfinished_change_is_put_back_when_no_other_can_begin(switch: Switch) -> None:
    """Its sleeper was ended for the new one."""
    conf = switch.root / "etc/conf"
    conf.write_text("old")
    switch.apply(file(conf, "attempt 1"))
    switch.stand_in("systemd-run", "echo no bus >&2; exit 1")
    result = switch.apply(file(conf, "attempt 2"))
    assert result.returncode == 1
    assert "no bus" in result.stderr
    assert conf.read_text() == "old"
    assert switch.left() == []


def test_the_sleepers_command_survives_quoting(switch: Switch) -> None:
    switch.apply(file(switch.root / "etc/conf", "new"))
    script = switch.events("systemd-run")[0].partition("/bin/sh -c ")[2]
    assert script.split()[:2] == ["sleep", "90"]
    assert script.endswith(f"exec python3 -IS {switch.program} late ssh")


def test_at_boot_files_are_put_back_and_no_service_is_asked(switch: Switch) -> None:
    conf = switch.root / "etc/conf"
    conf.write_text("old")
    switch.apply(file(conf, "new"))
    before = len(switch.events())
    result = switch.boot()
    assert (result.returncode, result.stderr) == (0, "")
    assert conf.read_text() == "old"
    assert switch.events()[before:] == ["restored before"]
    assert switch.left() == []


def test_started_by_hand_it_leaves_a_change_to_its_sleeper(switch: Switch) -> None:
    conf = switch.root / "etc/conf"
    switch.apply(file(conf, "new"))
    assert "--property=RuntimeDirectory=groundcrew-guard-ssh " in switch.events("systemd-run")[0]
    (switch.root / "run/groundcrew-guard-ssh").mkdir()
    switch.boot()
    assert conf.read_text() == "new"
    assert switch.left() == ["ssh"]


@pytest.mark.parametrize("claimed", ["ssh", "ssh.late.12", "ssh.back.12", "ssh.guard.12", "ssh.12"])
@pytest.mark.parametrize("who", ["boot", "late", "back", "next change"])
def test_a_claim_that_was_not_carried_out_is_by_whoever_comes_next(
    switch: Switch, claimed: str, who: str
) -> None:
    conf, other = switch.root / "etc/conf", switch.root / "etc/other"
    conf.write_text("old")
    switch.apply(file(conf, "new"))
    if claimed != "ssh":
        switch.state.rename(switch.guard / claimed)
    if who == "next change":
        if claimed == "ssh":
            return
        switch.apply(file(other, "new"))
        assert switch.left() == ["ssh"]
    else:
        switch.put_back(*(["boot"] if who == "boot" else [who, "ssh"]))
        assert switch.left() == []
    assert conf.read_text() == "old"
    assert switch.events().count("restored before") == 1


def test_one_that_is_still_at_it_is_waited_for(switch: Switch) -> None:
    conf = switch.root / "etc/conf"
    conf.write_text("old")
    switch.apply(file(conf, "new"))
    claimed = switch.state.rename(switch.guard / "ssh.late.12")
    held = switch.root / "held"
    holder = subprocess.Popen(["flock", claimed, "sh", "-c", f"touch {held}; sleep 1; rm {held}"])
    while not held.exists():
        time.sleep(0.01)
    assert switch.put_back("back", "ssh").returncode == 0
    assert not held.exists()
    holder.wait()
    assert conf.read_text() == "old"
    # It is not to be ended while it puts back.
    assert switch.events("systemctl")[-1:] == switch.events("systemctl")[:1]


def test_what_can_be_put_back_is_and_the_rest_is_tried_again(switch: Switch) -> None:
    conf, below = switch.root / "etc/conf", switch.root / "etc/below"
    below.mkdir()
    conf.write_text("old")
    (below / "file").write_text("old")
    before = tree(switch.root / "etc")
    switch.apply(file(below / "file", "new"), file(conf, "new"))
    (below / "file").unlink()
    below.rmdir()
    result = switch.boot()
    assert result.returncode == 1
    assert "etc/below/file does not exist" in result.stderr
    assert conf.read_text() == "old"
    assert switch.events()[-1] == "restored before"
    assert len(switch.left()) == 1
    refused = switch.apply(file(conf, "newer"))
    assert refused.returncode == 1
    assert f"what is to be put back is still in {switch.guard}/ssh.boot." in refused.stderr
    assert conf.read_text() == "old"
    below.mkdir()
    assert switch.boot().returncode == 0
    assert tree(switch.root / "etc") == before
    assert switch.left() == []


def test_a_command_that_restores_nothing_is_tried_again(switch: Switch) -> None:
    broken = switch.root / "broken"
    broken.touch()
    switch.apply(file(switch.root / "etc/conf", "new"), restore=[f"test ! -e {broken}"])
    assert switch.boot().returncode == 1
    broken.unlink()
    assert switch.boot().returncode == 0
    assert switch.left() == []


def test_one_change_that_fails_does_not_keep_back_the_others(switch: Switch) -> None:
    conf = switch.root / "etc/conf"
    switch.apply(file(conf, "new"), name="users")
    switch.apply(Absent("/nothing"), restore=["false"])
    assert switch.boot().returncode == 1
    assert not conf.exists()
    assert [name.partition(".")[0] for name in switch.left()] == ["ssh"]


def change(switch: Switch, content: str, cut: int = 0) -> Any:
    etc = switch.root / "etc"
    return switch.apply(
        Directory(str(etc / "below"), user=owner(), group=owner()),
        file(etc / "below/file", content),
        file(etc / "conf", content),
        Absent(str(etc / "gone")),
        cut=cut,
    )


def begin(root: Path) -> Switch:
    root.mkdir()
    switch = Switch(root)
    (root / "etc/conf").write_text("old")
    (root / "etc/gone").write_text("was here")
    return switch


@pytest.mark.parametrize("unfinished", [False, True], ids=["fresh", "taken over"])
def test_a_power_cut_anywhere_in_a_change_is_put_back_at_boot(
    tmp_path: Path, unfinished: bool
) -> None:
    cut = 0
    while True:
        cut += 1
        switch = begin(tmp_path / str(cut))
        before = tree(switch.root / "etc")
        if unfinished:
            assert change(switch, "attempt 1").returncode == 0
        status = change(switch, "new", cut=cut).returncode
        boot = switch.boot()
        assert boot is None or boot.returncode == 0, (cut, boot.stderr)
        staged = ".groundcrew-new-"
        after = {k: v for k, v in tree(switch.root / "etc").items() if staged not in str(k)}
        assert after == before, cut
        assert not switch.guard.is_dir() or switch.left() == [], cut
        if status == 0:
            break
        assert status == 9
    assert cut > 15


def test_a_power_cut_anywhere_while_it_is_put_back_is_made_good_at_the_next_boot(
    tmp_path: Path,
) -> None:
    cut = 0
    while True:
        cut += 1
        switch = begin(tmp_path / str(cut))
        before = tree(switch.root / "etc")
        assert change(switch, "new").returncode == 0
        status = switch.boot(cut).returncode
        again = switch.boot()
        assert again is None or again.returncode == 0, (cut, again.stderr)
        staged = ".groundcrew-"
        after = {k: v for k, v in tree(switch.root / "etc").items() if staged not in str(k)}
        assert after == before, cut
        assert switch.left() == [], cut
        if status == 0:
            break
        assert status == 9
    assert cut > 10
