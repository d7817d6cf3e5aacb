"""Monitoring: messages to chats, those whose format Alertmanager does not know included."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
import requests
import yaml

from groundcrew.entries import Absent, File
from groundcrew.roles.monitoring import builders, chat_bridge
from groundcrew.roles.monitoring.settings import MonitoringSettings
from tests.unit.project import Project

CHATS: dict[str, Any] = {
    "slack": {"type": "slack", "url": {"env": "A"}, "channel": "#ops"},
    "discord": {"type": "discord", "url": {"env": "B"}},
    "telegram": {"type": "telegram", "token": {"env": "C"}, "chat": -100123},
    "ding": {"type": "dingtalk", "url": {"env": "D"}, "key": {"env": "E"}},
    "feishu": {"type": "feishu", "url": {"env": "F"}},
    "wecom": {"type": "wecom", "url": {"env": "G"}},
}


def chats() -> tuple[MonitoringSettings, dict[tuple[str, ...], str]]:
    mine = MonitoringSettings(receivers=CHATS)
    return mine, {("monitoring", *path): f"https://{'.'.join(path)}" for path, _ in mine.secrets()}


def test_chats_that_alertmanager_knows() -> None:
    mine, secrets = chats()
    [everybody] = yaml.safe_load(builders.receivers(mine, secrets))["receivers"]
    [slack] = everybody["slack_configs"]
    assert (slack["api_url"], slack["channel"]) == ("https://receivers.slack.url", "#ops")
    [discord] = everybody["discord_configs"]
    assert discord["webhook_url"] == "https://receivers.discord.url"
    assert slack["send_resolved"] and discord["send_resolved"]
    assert "{{ .Annotations.action }}" in slack["text"] == discord["message"]
    [telegram] = everybody["telegram_configs"]
    token = "https://receivers.telegram.token"
    assert (telegram["bot_token"], telegram["chat_id"]) == (token, -100123)


def test_chats_that_it_does_not_know_have_a_program_between() -> None:
    mine, secrets = chats()
    [everybody] = yaml.safe_load(builders.receivers(mine, secrets))["receivers"]
    urls = [item["url"] for item in everybody["webhook_configs"]]
    files = {item.path: item for item in builders.chat_files(mine, secrets)
             if isinstance(item, File)}  # fmt: skip
    file = files[builders.CHATS]
    by_path = json.loads(file.data)
    assert [f"http://127.0.0.1:9095/{path}" for path in by_path] == sorted(urls)
    assert {item["name"]: item["key"] for item in by_path.values()} == {
        "ding": "https://receivers.ding.key", "feishu": None, "wecom": None,
    }  # fmt: skip
    assert (file.mode, file.secret) == ("0600", True)
    assert all(isinstance(item, Absent) for item in builders.chat_files(MonitoringSettings(), {}))


MESSAGE = {
    "alerts": [
        {"status": "firing", "labels": {"alertname": "HostDown", "instance": "web1",
                                        "severity": "critical"},
         "annotations": {"summary": "it does not answer", "action": "see whether it runs"}},
        {"status": "resolved", "labels": {"alertname": "DiskFull", "instance": "db1"},
         "annotations": {"summary": "92 % of / are used", "action": "remove something"}},
    ]
}  # fmt: skip
TEXT = (
    "[critical] HostDown web1: it does not answer\n  see whether it runs\n"
    "[over] DiskFull db1: 92 % of / are used"
)


def test_a_message_for_people() -> None:
    assert chat_bridge.text_of(MESSAGE) == TEXT
    many = chat_bridge.text_of({"alerts": MESSAGE["alerts"] * 20})
    assert len(many.encode()) <= 2048
    # Rules of an operator may be in any language.
    long = {**MESSAGE["alerts"][0], "annotations": {"summary": "\u78c1\u76d8" * 2000}}
    text = chat_bridge.text_of({"alerts": [long]})
    assert 1900 < len(text.encode()) <= 2048
    assert text.endswith(("\u78c1", "\u76d8"))


def test_an_answer_that_is_none_of_a_chats_is_no_success() -> None:
    assert chat_bridge.refused(b'{"errcode": 0}') == ""
    assert chat_bridge.refused(b'{"errcode": 310000}') == "code 310000"
    assert chat_bridge.refused(b"[]")


def test_each_chat_has_its_format_and_signature() -> None:
    """Signatures computed with openssl: `printf %s MESSAGE | openssl dgst -sha256 -hmac KEY`."""
    url = "https://chat.test/send?token=x"
    plain = {"name": "a", "url": url, "key": None}
    body = {"msgtype": "text", "text": {"content": "hello"}}
    assert chat_bridge.request({**plain, "type": "wecom"}, "hello", 0) == (url, body)
    assert chat_bridge.request({**plain, "type": "dingtalk"}, "hello", 0) == (url, body)
    signed = chat_bridge.request({**plain, "type": "dingtalk", "key": "SEC1"}, "hello", 1700000000)
    at = "1700000000000"
    sign = quote_plus(openssl("SEC1", f"{at}\nSEC1"))
    assert signed == (f"{url}&timestamp={at}&sign={sign}", body)
    _, feishu = chat_bridge.request({**plain, "type": "feishu", "key": "k"}, "hello", 1700000000.9)
    assert feishu == {
        "msg_type": "text", "content": {"text": "hello"}, "timestamp": "1700000000",
        "sign": openssl("1700000000\nk", ""),
    }  # fmt: skip


def openssl(key: str, message: str) -> str:
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt",
               f"hexkey:{key.encode().hex()}", "-binary"]  # fmt: skip
    done = subprocess.run(command, input=message.encode(), capture_output=True, check=True)
    return base64.b64encode(done.stdout).decode()


@pytest.fixture
def chat_server() -> Iterator[tuple[str, list[Any], list[bytes]]]:
    """A chat, what it got, and what it answers next."""
    got: list[Any] = []
    answers: list[bytes] = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers.pop(0) if answers else b'{"errcode": 0}')

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Chat) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/secret", got, answers
        server.shutdown()


def test_the_program_passes_messages_on_to_those_who_know_the_path(
    chat_server: tuple[str, list[Any], list[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    url, got, answers = chat_server
    chats = {"path": {"name": "ops", "type": "wecom", "url": url, "key": None}}
    with ThreadingHTTPServer(("127.0.0.1", 0), chat_bridge.handler(chats)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        assert requests.post(f"{base}/path", json=MESSAGE, timeout=5).status_code == 200
        assert got == [{"msgtype": "text", "text": {"content": TEXT}}]
        assert requests.post(f"{base}/other", json=MESSAGE, timeout=5).status_code == 404
        assert requests.post(f"{base}/path", data=b"{", timeout=5).status_code == 400
        assert requests.post(f"{base}/path", json={"alerts": [1]}, timeout=5).status_code == 400
        assert len(got) == 1
        answers.append(b'{"errcode": 310000, "errmsg": "sign not match"}')
        assert requests.post(f"{base}/path", json=MESSAGE, timeout=5).status_code == 502
        server.shutdown()
    told = capsys.readouterr().out
    assert told == "ops: a message has not arrived: code 310000\n"
    assert "secret" not in told


def test_the_host_has_its_port_and_unit_only_with_such_a_chat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ABCDEFG":
        monkeypatch.setenv(name, f"https://{name}.test")
    project = Project(tmp_path)
    project.hosts = {"mon1": (["monitoring"], {"address": "10.0.0.9"})}
    project.all = {"monitoring": {"receivers": {"slack": CHATS["slack"]}}}
    brought = project.settings("mon1").brought
    assert 9095 not in {port.number for port in brought.ports}
    project.all = {"monitoring": {"receivers": CHATS}}
    brought = project.settings("mon1").brought
    assert 9095 in {port.number for port in brought.ports}
    assert builders.CHAT_UNIT in set(brought.units)
