"""Passes Alertmanager's messages on to DingTalk, Feishu and WeCom, in their formats.

Runs on the monitoring host as `python3 -IS /usr/local/lib/groundcrew/chat_bridge.py FILE PORT`, in
`groundcrew-chats.service`. FILE is JSON {PATH: {"name", "type", "url", "key": text or null}}:
whoever does not know a path, which Alertmanager has, sends nothing. Answers 502 if a message does
not arrive, so that Alertmanager tries again. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LARGEST = 1 << 20
"""Bytes of a message."""

SHOWN = 10
"""Alerts of a message that are written out."""

LONGEST = 2000
"""Bytes of a text: WeCom takes 2048."""

TIMEOUT = 10.0

Chat = dict[str, Any]


def text_of(message: dict[str, Any]) -> str:
    """What people read."""
    alerts = message["alerts"]
    lines = []
    for alert in alerts[:SHOWN]:
        labels, notes = alert["labels"], alert["annotations"]
        state = "over" if alert["status"] == "resolved" else labels.get("severity", "firing")
        where = labels.get("instance", "")
        lines.append(f"[{state}] {labels['alertname']} {where}: {notes.get('summary', '')}")
        if alert["status"] != "resolved" and notes.get("action"):
            lines.append(f"  {notes['action']}")
    if len(alerts) > SHOWN:
        lines.append(f"and {len(alerts) - SHOWN} more")
    return "\n".join(lines).encode()[:LONGEST].decode(errors="ignore")


def signature(key: str, message: str) -> str:
    """HMAC-SHA256 in base64."""
    digest = hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def request(chat: Chat, text: str, now: float) -> tuple[str, dict[str, Any]]:
    """The URL and the body of a message."""
    url, key = chat["url"], chat["key"]
    if chat["type"] == "feishu":
        body: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
        if key:
            at = str(int(now))
            body.update(timestamp=at, sign=signature(f"{at}\n{key}", ""))
        return url, body
    if chat["type"] == "dingtalk" and key:
        at = str(int(now * 1000))
        sign = signature(key, f"{at}\n{key}")
        url += "&" + urllib.parse.urlencode({"timestamp": at, "sign": sign})
    return url, {"msgtype": "text", "text": {"content": text}}


def refused(answer: bytes) -> str:
    """Why a service has not taken a message, which it answers with status 200; empty if it has."""
    reply = json.loads(answer)
    if not isinstance(reply, dict):
        return "an answer that is none of the service's"
    code = reply.get("errcode", reply.get("code", reply.get("StatusCode", 0)))
    return f"code {code}" if code else ""


def send(chat: Chat, text: str) -> str:
    """Sends a text; returns why it did not arrive, without the URL, or nothing."""
    url, body = request(chat, text, time.time())
    headers = {"Content-Type": "application/json; charset=utf-8"}
    try:
        # The operator has chosen the address.
        asked = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310
        with urllib.request.urlopen(asked, timeout=TIMEOUT) as answer:  # noqa: S310
            return refused(answer.read(LARGEST))
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return type(error).__name__


def handler(chats: dict[str, Chat]) -> type[BaseHTTPRequestHandler]:
    """What answers Alertmanager."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0

        def do_POST(self) -> None:
            chat = chats.get(self.path.strip("/"))
            header = self.headers.get("Content-Length") or ""
            length = int(header) if header.isdigit() and len(header) < 9 else 0
            if chat is None or not 0 < length <= LARGEST:
                self.send_error(404)
                return
            try:
                why = send(chat, text_of(json.loads(self.rfile.read(length))))
            except (ValueError, KeyError, TypeError, AttributeError):
                self.send_error(400)
                return
            if why:
                print(f"{chat['name']}: a message has not arrived: {why}", flush=True)
            self.send_response(502 if why else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing: the path is secret."""

    return Handler


def main() -> int:
    """Answers at 127.0.0.1."""
    chats = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), handler(chats)) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
