"""Every program that runs on a host has unit tests, and the smallest of them are here."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote import (
    app_sboms,
    app_state,
    inspect_certificates,
    inspect_sshd,
    note_history,
    run_lock,
)
from groundcrew.remote.history import read
from groundcrew.remote.sbom import SBOM

ROOT = Path(__file__).resolve().parents[2]
RELEASE = "20260101T000000Z-aaaaaaaaaaaa"


def test_every_one_has_unit_tests() -> None:
    text = "".join(path.read_text() for path in (ROOT / "tests/unit").glob("*.py"))
    programs = [path.stem for path in (ROOT / "groundcrew/remote").glob("[a-z]*.py")]
    assert [name for name in programs if not re.search(rf"\b{name}\b", text)] == []
    roles = [path.parent.name for path in (ROOT / "roles").glob("*/on_host.py")]
    named = [
        name for name in roles if not re.search(rf"roles\.{name} import [^)]*\bon_host\b", text)
    ]
    assert named == []


@pytest.fixture
def srv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of /srv."""
    for module in (app_sboms, note_history):
        monkeypatch.setattr(
            module, "Path", lambda first: tmp_path / str(first).removeprefix("/srv").lstrip("/")
        )
    return tmp_path


def test_bills_of_materials(srv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = srv / "shop/releases" / RELEASE
    folder.mkdir(parents=True)
    (folder / SBOM).write_text('{"components": []}')
    assert app_sboms.document("shop", RELEASE) == {"components": []}
    (folder / SBOM).write_text("cut o")
    assert app_sboms.document("shop", RELEASE) is None
    # No way out of the releases' directory.
    (srv / "etc").mkdir()
    (srv / "etc" / SBOM).write_text("{}")
    assert app_sboms.document("shop", "../../etc") is None
    monkeypatch.setattr(app_sboms, "live_release", lambda _: (None, None))
    assert app_sboms.document("shop", None) is None


def test_history_is_noted_by_the_run_that_has_the_lock(
    srv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (srv / "shop").mkdir()
    payload: dict[str, Any] = {"name": "shop", "changes": {"live": RELEASE}, "run": None}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(payload)))
    assert note_history.main() == 0
    assert read(srv / "shop/history.json")["served"] == [RELEASE]

    def gone(_: Any) -> Any:
        raise run_lock.RunIsGoneError

    monkeypatch.setattr(note_history, "step", gone)
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(payload)))
    assert note_history.main() == 1
    assert "another run has taken over" in capsys.readouterr().err


def test_a_unit_tells_who_holds_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_state, "SYSTEM", tmp_path)
    assert app_state.held("shop", RELEASE) is None
    unit = tmp_path / f"shop@{RELEASE}.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    assert app_state.held("shop", RELEASE) is False
    unit.write_text("[Service]\nSockets=shop.socket\nExecStart=/bin/true\n")
    assert app_state.held("shop", RELEASE) is True


def test_links_say_what_starts_at_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd's answer is as old as its last reload."""
    monkeypatch.setattr(app_state, "SYSTEM", tmp_path)
    unit = f"shop@{RELEASE}.service"
    assert app_state.enabled(unit, "enabled") == "disabled"
    (tmp_path / "multi-user.target.wants").mkdir()
    (tmp_path / "multi-user.target.wants" / unit).symlink_to(f"../{unit}")
    assert app_state.enabled(unit, "disabled") == "enabled"
    assert app_state.enabled(unit, "static") == "static"


def test_certificates_that_a_host_gets_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect_certificates, "ROOT", str(tmp_path / "ssl"))
    monkeypatch.setattr(inspect_certificates, "CERTBOT", str(tmp_path / "letsencrypt"))
    nothing = {"target": None, "usable": False, "lineage": None}
    assert inspect_certificates.site("shop") == nothing
    live, renewal = tmp_path / "letsencrypt/live/shop", tmp_path / "letsencrypt/renewal"
    for folder in (live, renewal, tmp_path / "ssl"):
        folder.mkdir(parents=True)
    (renewal / "shop.conf").write_text("server = https://acme.test/dir\nauthenticator = webroot\n")
    for name in ("cert", "fullchain", "privkey"):
        (live / f"{name}.pem").write_text("x")
    (tmp_path / "ssl/shop").symlink_to(live)
    shown = "X509v3 Subject Alternative Name:\n    DNS:shop.test, DNS:www.shop.test\n"
    monkeypatch.setattr(inspect_certificates, "output", lambda *_: shown)
    state = inspect_certificates.site("shop")
    assert (state["target"], state["usable"]) == (str(live), True)
    assert state["lineage"] == {
        "names": ["shop.test", "www.shop.test"],
        "server": "https://acme.test/dir",
        "authenticator": "webroot",
    }


def test_sshd_is_judged_by_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_sshd, "SSH", tmp_path)
    (tmp_path / "sshd_config").write_text("Port 22\nPermitRootLogin yes\n")
    monkeypatch.setattr(
        inspect_sshd, "effective", lambda: {"permitrootlogin": ["yes"], "port": ["22"]}
    )
    assert inspect_sshd.judge({"port": ["22"]}) == []
    [wrong] = inspect_sshd.judge({"permitrootlogin": ["no"]})
    assert wrong == f"permitrootlogin is yes, declared no (set in {tmp_path}/sshd_config:2)"
    [unset] = inspect_sshd.judge({"x11forwarding": ["no"]})
    assert unset == "x11forwarding is unset, declared no (set in no file sets it)"


def test_bits_of_host_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_sshd, "SSH", tmp_path)
    key = tmp_path / "ssh_host_ed25519_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    assert inspect_sshd.host_keys() == {"ed25519": 256}


@pytest.mark.parametrize(
    ("leads_to", "version", "lost"),
    [
        ("python3.11", "3.11.2", False),
        ("python3.13", "3.11.2", True),
        # An interpreter of one's own, whose name says nothing.
        ("python3", "3.11.2", False),
        (None, "3.11.2", True),
        ("python3.13", "", False),
    ],
)
def test_a_release_whose_python_an_upgrade_has_replaced(
    tmp_path: Path, leads_to: str | None, version: str, lost: bool
) -> None:
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").symlink_to(tmp_path / "python3")
    if leads_to == "python3":
        (tmp_path / "python3").touch()
    elif leads_to:
        (tmp_path / leads_to).touch()
        (tmp_path / "python3").symlink_to(leads_to)
    assert app_state.lost_its_python(tmp_path, version) is lost


def test_links_that_a_hostile_build_left_as_its_python(tmp_path: Path) -> None:
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to("x" * 300)
    assert app_state.lost_its_python(tmp_path, "3.11.2") is True
    python.unlink()
    # More links in a row than the interpreter can follow.
    python.symlink_to("l0")
    for number in range(1500):
        (python.parent / f"l{number}").symlink_to(f"l{number + 1}")
    assert app_state.lost_its_python(tmp_path, "3.11.2") is True


def test_a_release_that_cannot_be_read_hides_no_other_and_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "20260102T000000Z-bbbbbbbbbbbb"
    for name in (RELEASE, other):
        (tmp_path / "releases" / name).mkdir(parents=True)
        (tmp_path / "releases" / name / "release.json").write_text('{"source": "x"}')

    def broken(folder: Path, _: str) -> bool:
        if folder.name == RELEASE:
            raise OSError(36, "File name too long")
        return False

    monkeypatch.setattr(app_state, "SYSTEM", tmp_path)
    monkeypatch.setattr(app_state, "lost_its_python", broken)
    states = app_state.releases(tmp_path, read(tmp_path / "history.json"))
    assert (states[RELEASE]["built"], states[RELEASE]["bad"]) == (False, True)
    assert (states[other]["built"], states[other]["bad"]) == (True, False)


def test_code_that_cannot_be_compared_counts_as_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "releases" / RELEASE
    folder.mkdir(parents=True)
    (folder / "release.json").write_text('{"code": "0123456789abcdef.3.11"}')

    def broken(_: Path) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(app_state, "check", broken)
    assert app_state.damaged(tmp_path, RELEASE) is True


def test_a_release_of_a_plain_command_has_no_python_to_lose(tmp_path: Path) -> None:
    assert app_state.lost_its_python(tmp_path, "3.11.2") is False
