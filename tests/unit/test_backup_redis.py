"""Backups of Redis: what the role brings for them, and how keys are copied."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from groundcrew.roles.redis.on_host_keys import keep, matching, restoring
from groundcrew.roles.redis.on_host_resp import Client, RespError, encode
from tests.unit.project import Project


def test_commands_can_have_any_bytes() -> None:
    told = encode(["SET", b"\x00\r\n", 12])
    assert told == b"*3\r\n$3\r\nSET\r\n$3\r\n\x00\r\n\r\n$2\r\n12\r\n"


@pytest.mark.parametrize(
    ("prefix", "pattern"),
    [("shop:", "shop:*"), ("a*b?", r"a\*b\?*"), ("[x]^-\\", r"\[x\]\^\-\\*"), ("", "*")],
)
def test_a_prefix_is_no_pattern(prefix: str, pattern: str) -> None:
    assert matching(prefix) == pattern


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Any]:
    """A server that gives prepared answers, whatever it is asked."""
    path = str(tmp_path / "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def prepared(answers: bytes) -> Client:
        def serve() -> None:
            connection, _ = listener.accept()
            connection.sendall(b"+OK\r\n" + answers)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        return Client(path, ("user", "password"))

    yield prepared
    listener.close()


def test_answers_of_all_kinds(answering: Any) -> None:
    with answering(
        b"+PONG\r\n:12\r\n$-1\r\n$4\r\na\r\nb\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"
    ) as client:
        told = client.ask_all([["X"]] * 5)
    assert told == [b"PONG", 12, None, b"a\r\nb", [b"0", [b"k"]]]


def test_an_error_and_a_connection_that_breaks(answering: Any) -> None:
    with answering(b"-OOM no memory\r\n+OK\r\n$100\r\nshort") as client:
        with pytest.raises(RespError, match="OOM no memory"):
            client.ask_all([["X"], ["Y"]])
        with pytest.raises(RespError, match="broke"):
            client.ask("X")
    with pytest.raises(RespError, match="socket"):
        Client("/nonexistent/socket", ("user", "password"))


def test_keys_keep_the_moment_at_which_they_expire(answering: Any) -> None:
    answers = b"$1\r\nA\r\n:-1\r\n$-1\r\n:-2\r\n$1\r\nC\r\n:1700000000000\r\n"
    with answering(answers) as client:
        told = restoring(client, [b"a", b"gone", b"c"])
    assert told == [
        ["RESTORE", b"a", 0, b"A", "REPLACE"],
        ["RESTORE", b"c", 1700000000000, b"C", "REPLACE", "ABSTTL"],
    ]


def test_what_is_kept_is_never_replaced(answering: Any, tmp_path: Path) -> None:
    answers = (
        b"$26\r\n# Keyspace\r\ndb2:keys=1,x\r\n\r\n+OK\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"
        b"$1\r\nA\r\n:-1\r\n"
    )
    path = tmp_path / "kept"
    with answering(answers) as client:
        keep(client, "*", str(path))
        keep(client, "*", str(path))
    told = encode(["SELECT", 2]) + encode(["RESTORE", b"a", 0, b"A", "REPLACE"])
    assert path.read_bytes() == told
    assert path.stat().st_mode & 0o777 == 0o600


def test_queues_are_saved_and_caches_are_not(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.app("shop", "needs: {cache: redis.cache, jobs: redis.queue}\n")
    project.app("blog", text="source: {directory: src}\nentry: shop:app\ndomains: [blog.test]\n"
                             "needs: {cache: {service: redis.cache, prefix: 'b:'}}\n")  # fmt: skip
    project.hosts = {"web1": (["web", "redis"], {})}
    queue = {"purpose": "queue", "port": 6390, "parameters": {"dbfilename": "own.rdb"}}
    project.all = {"redis": {"instances": {"queue": queue}}}
    project.all["app"] = {"shop": {"needs": {"cache": {"service": "redis.cache", "prefix": "s:"}}}}
    assert not project.settings().brought.backups
    project.all["backup"] = {"targets": {"one": {"type": "directory", "path": "/mnt"}}}
    [source] = project.settings().brought.backups
    assert (source.title, source.apps) == ("redis", ("shop",))
    [instance] = source.request["instances"]
    assert (instance["name"], instance["port"]) == ("queue", 6390)
    assert instance["file"] == "/var/lib/redis-queue/own.rdb"
    assert instance["databases"] == "16"
    [account] = instance["accounts"]
    assert (account["app"], account["alone"]) == ("shop", True)


def test_without_queues_there_is_nothing_to_save(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.app("shop", "needs: {cache: redis.cache}\n")
    project.hosts = {"web1": (["web", "redis"], {})}
    project.all = {
        "redis": {"instances": {"queue": None}},
        "backup": {"targets": {"one": {"type": "directory", "path": "/mnt"}}},
    }
    assert not project.settings().brought.backups
