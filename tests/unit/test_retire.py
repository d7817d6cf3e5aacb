"""Replaced releases end when nothing uses them any more, and what is live never does."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote import app_files, retire_releases
from groundcrew.remote.run_lock import RunIsGoneError

OLD, LIVE = "20260101T000000Z-aaaaaaaaaaaa", "20260102T000000Z-bbbbbbbbbbbb"


class Host:
    """Directories of a host, and what systemctl was told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[tuple[str, ...]] = []
        self.socket = root / "old.sock"
        (root / "nginx/shop").mkdir(parents=True)
        self.lead(LIVE)

    def lead(self, release: str) -> None:
        link = self.root / "nginx/shop/current.sock"
        link.unlink(missing_ok=True)
        link.symlink_to(f"/run/groundcrew/apps/shop/{release}.sock")

    def payload(self, **more: Any) -> dict[str, Any]:
        return {
            "name": "shop",
            "live": LIVE,
            "stop": {OLD: [f"shop@{OLD}.service"]},
            "sockets": [str(self.socket)],
            "drain": 5,
            "least": 0.3,
            "watch": [],
            "window": 1.5,
            "fallback": str(self.root / "nginx/shop/previous.sock"),
            "remove": {},
            "socket_unit": None,
            "held": "",
            "run": None,
            **more,
        }

    @property
    def stopped(self) -> list[str]:
        return [name for call in self.calls if call[0] == "stop" for name in call[1:]]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    fake = Host(tmp_path)
    monkeypatch.setattr(app_files, "UPSTREAMS", tmp_path / "nginx")
    monkeypatch.setattr(
        retire_releases, "systemctl", lambda *words, check=True: fake.calls.append(words)
    )
    yield fake


def test_without_a_connection_the_old_one_ends_at_once(host: Host) -> None:
    started = time.monotonic()
    retire_releases.stop(host.payload())
    assert 0.3 <= time.monotonic() - started < 2
    assert host.stopped == [f"shop@{OLD}.service"]


def test_a_connection_is_waited_for(host: Host) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(host.socket))
        listener.listen()
        client.connect(str(host.socket))
        server, _ = listener.accept()
        threading.Timer(1, client.close).start()
        threading.Timer(1, server.close).start()
        started = time.monotonic()
        retire_releases.stop(host.payload())
        assert 1 <= time.monotonic() - started < 3


def test_a_connection_is_waited_for_no_longer_than_it_may_last(host: Host) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(host.socket))
        listener.listen()
        client.connect(str(host.socket))
        server, _ = listener.accept()
        started = time.monotonic()
        retire_releases.stop(host.payload(drain=1))
        assert 1 <= time.monotonic() - started < 2
        server.close()


def test_what_is_live_again_is_not_stopped(host: Host) -> None:
    host.lead(OLD)
    retire_releases.stop(host.payload())
    assert host.stopped == []


def test_once_another_run_has_taken_over_nothing_is_stopped(host: Host) -> None:
    lock = host.root / "lock"
    lock.write_text("another run")
    run = {"lock": str(lock), "steps": str(host.root / "steps"), "holder": "mine"}
    with pytest.raises(RunIsGoneError):
        retire_releases.stop(host.payload(run=run))
    assert host.stopped == []


def test_parts_that_no_release_has_any_more_go(tmp_path: Path) -> None:
    used, unused = f"{'a' * 16}.3.11", f"{'b' * 16}.3.11"
    for kind in ("environments", "code"):
        for name in (used, unused, "not-a-part"):
            (tmp_path / kind / name).mkdir(parents=True)
    folder = tmp_path / "releases" / LIVE
    folder.mkdir(parents=True)
    about = {"environments": [used], "code": used}
    (folder / "release.json").write_text(json.dumps(about))
    retire_releases.remove_parts(tmp_path)
    for kind in ("environments", "code"):
        assert sorted(item.name for item in (tmp_path / kind).iterdir()) == [used, "not-a-part"]


def test_a_name_that_is_no_release_is_never_one(tmp_path: Path) -> None:
    for name in (LIVE, "00;touch x;#", "20260101T000000Z-zz", "..data"):
        (tmp_path / "releases" / name).mkdir(parents=True)
    (tmp_path / "releases" / OLD).symlink_to("/etc")
    assert [item.name for item in app_files.release_folders(tmp_path)] == [LIVE]


@pytest.mark.parametrize("link", ["zz;touch x|sh;.sock", "../../etc.sock", ".sock", "held2.sock"])
def test_a_link_that_leads_to_no_release_is_no_live_one(host: Host, link: str) -> None:
    path = host.root / "nginx/shop/current.sock"
    path.unlink()
    path.symlink_to(link)
    assert app_files.live_release("shop") == (None, False)


def test_a_worker_that_does_not_stay_up_keeps_the_old_release(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([None, "unit shop.mail@x.1.service was restarted 1 times (exit-code)"])
    monkeypatch.setattr(retire_releases, "trouble", lambda _: next(answers))
    monkeypatch.setattr(retire_releases, "journal", lambda _: "no such queue")
    monkeypatch.setattr(retire_releases, "note", lambda *_: None)
    assert retire_releases.retire(host.payload(watch=["shop.mail@x.1.service"])) == 1
    assert host.stopped == []
    told = capsys.readouterr().err
    assert "no such queue" in told
    assert "shop: unit shop.mail@x.1.service was restarted 1 times" in told


def test_workers_are_watched_for_the_window_where_nothing_is_to_drain(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    monkeypatch.setattr(retire_releases, "note", lambda *_: None)
    monkeypatch.setattr(retire_releases, "trouble", lambda _: looks.append(time.monotonic()))
    began = time.monotonic()
    assert retire_releases.retire(host.payload(stop={}, watch=["shop.mail@x.1.service"])) == 0
    assert looks[-1] - began >= 1.5
    assert len(looks) >= 2


def test_sockets_with_names_of_any_bytes_are_in_nobodys_way(host: Host) -> None:
    with socket.socket(socket.AF_UNIX) as hostile:
        hostile.bind(b"\0\xff\xfe\n")
        hostile.listen()
        assert retire_releases.connections([str(host.socket)]) == 0


def test_the_name_of_a_socket_is_no_connection_of_another_application() -> None:
    release = f"/run/groundcrew/apps/b/{OLD}.sock"
    lines = (
        f"0: 2 0 0 1 03 1 {release}",
        f"00000000: 00000002 00000000 00010000 0001 03 1 {release}",
        f"{0:016}: 00000002 00000000 00010000 0001 03     1 {release}",
    )
    opened = []
    for line in lines:
        one = socket.socket(socket.AF_UNIX)
        # Abstract names have at most 107 bytes.
        one.bind(b"\0\n" + line.encode()[:106])
        opened.append(one)
    try:
        assert retire_releases.connections([release]) == 0
    finally:
        for one in opened:
            one.close()
