"""Processes of others name themselves and answer as they like: whoever looks at them goes on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote import (
    app_client,
    host_sections,
    inspect_host,
    inspect_resources,
    inspect_sshd,
)
from groundcrew.roles.verify import on_host

OTHER = 65534 if os.geteuid() == 0 else os.geteuid()
NAMED = """
import os, sys, time
open("/proc/self/comm", "wb").write(bytes.fromhex(sys.argv[1]))
os.setuid(int(sys.argv[2]))
print(flush=True)
time.sleep(60)
"""
ASK = """
import sys, app_client
app_client.socket_status(sys.argv[1], sys.argv[2], "/", {"Host": "a"}, 0.5)
"""


@contextmanager
def process(name: bytes) -> Iterator[int]:
    """The id of a process with a name, of another user."""
    command = [sys.executable, "-ISc", NAMED, name.hex(), str(OTHER)]
    started = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert started.stdout
    try:
        started.stdout.readline()
        yield started.pid
    finally:
        started.kill()
        started.wait()
        started.stdout.close()


def test_a_name_that_is_no_text() -> None:
    request: Any = {"apps": [], "serving_units": []}
    with process(b"\xff\x1b[2J") as pid:
        assert on_host.processes(request) == {}
        description = inspect_resources.describe(Path(f"/proc/{pid}"))
    assert (description["pid"], description["name"]) == (pid, "\ufffd\\x1b[2J")


def test_a_socket_whose_name_is_no_text(tmp_path: Path) -> None:
    name = bytes(tmp_path / "a") + b"\xff"
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(name)
        server.listen()
        client.connect(name)
        accepted, _ = server.accept()
        with accepted:
            assert len(on_host.connections(str(tmp_path))) == 1


LISTENING = """
import os, socket, sys, time
open("/proc/self/comm", "wb").write(bytes.fromhex(sys.argv[1]))
os.setuid(int(sys.argv[2]))
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
time.sleep(60)
"""


@contextmanager
def listener(name: bytes, user: int) -> Iterator[int]:
    """The port of a process with a name, of a user."""
    command = [sys.executable, "-ISc", LISTENING, name.hex(), str(user)]
    started = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert started.stdout
    try:
        yield int(started.stdout.readline())
    finally:
        started.kill()
        started.wait()
        started.stdout.close()


def seen(port: int) -> list[str]:
    """The names of who listens on a port, as verify sees them."""
    return [item["process"] for item in host_sections.listening({}) if item["port"] == port]


def test_a_port_is_not_hidden_by_the_name_of_who_listens() -> None:
    with listener(b"groundcrew-seen", OTHER) as port:
        assert seen(port) == ["groundcrew-seen"]
    if os.geteuid() == 0:
        with listener(b"groundcrew-seen", 0) as port:
            assert seen(port) == []


NAMES = (b'"sshd"', b'"sshd"\x0b', b'"sshd"\x0c', b'"sshd"\n', b'\n"sshd"\n', b"\nLISTEN 0 1 1:2",
         b'"sshd"\x85', b"x\xff", b"x\xe2\x80\xa8y", b'sshd"))\nino:1')  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's process: only root starts one")
@pytest.mark.parametrize("name", [b"sshd", *NAMES])
def test_a_name_is_not_taken_for_sshd(name: bytes) -> None:
    with listener(name, OTHER) as port:
        sockets = inspect_sshd.all_listeners()
        assert inspect_sshd.taken(sockets)[str(port)].isprintable()
        assert port not in inspect_sshd.own_ports(sockets)
        assert len(seen(port)) == 1
    with listener(b"sshd", 0) as port:
        sockets = inspect_sshd.all_listeners()
        assert port in inspect_sshd.own_ports(sockets)
        assert str(port) not in inspect_sshd.taken(sockets)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "chunks", "headers", "interim answers"],
)
@pytest.mark.parametrize("kind", ["http", "uwsgi"])
def test_an_answer_that_never_ends(tmp_path: Path, kind: str, first: bytes, again: bytes) -> None:
    if kind == "uwsgi":
        (tmp_path / "uwsgi.ini").touch()
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def answer() -> None:
            client, _ = server.accept()
            with client:
                try:
                    client.sendall(first)
                    while True:
                        client.sendall(again)
                        time.sleep(0.01)
                except OSError:
                    return

        thread = threading.Thread(target=answer)
        thread.start()
        # A process of its own, as on a host: an alarm of this one may end the thread instead.
        asked = subprocess.run(
            [sys.executable, "-c", ASK, str(path), str(tmp_path)],
            cwd=Path(app_client.__file__).parent,
            timeout=10,
            check=False,
            capture_output=True,
            text=True,
        )
        assert "TimeoutError: no whole answer within 0.5 s" in asked.stderr
        thread.join(timeout=5)
        assert not thread.is_alive()


def test_only_files_themselves_are_open_to_others(tmp_path: Path) -> None:
    open_file = tmp_path / ".open"
    open_file.touch()
    open_file.chmod(0o644)
    (tmp_path / ".closed").touch(0o600)
    (tmp_path / ".link").symlink_to(open_file)
    (tmp_path / ".folder").mkdir()
    os.mkfifo(tmp_path / ".pipe")
    names = [path.name for path in tmp_path.iterdir() if inspect_host.is_open(path)]
    assert names == [".open"]
    assert not inspect_host.is_open(tmp_path / ".gone")


def test_a_descriptor_that_is_gone_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "fd").mkdir()
    for number in (3, 5):
        (tmp_path / "fd" / str(number)).symlink_to(f"socket:[{number}]")
    # It cannot be read as a link, like one that was closed meanwhile.
    (tmp_path / "fd" / "4").write_text("")
    assert sorted(inspect_resources.links(tmp_path)) == ["socket:[3]", "socket:[5]"]
    assert inspect_resources.links(tmp_path / "gone") == []
