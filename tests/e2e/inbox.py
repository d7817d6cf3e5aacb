"""A webhook on this machine that monitoring on a lab host sends its messages to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.e2e.harness import LabHost, inside

SECRET = "a-word-that-nobody-may-see"


@dataclass
class Inbox:
    """Messages that came to the webhook, in order."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    chat: list[str] = field(default_factory=list)
    """Texts that came to the chat."""

    def alerts(self, name: str, status: str = "firing") -> list[dict[str, Any]]:
        return [
            item
            for message in self.messages
            for item in message["alerts"]
            if item["labels"]["alertname"] == name and item["status"] == status
        ]


def handler(inbox: Inbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            path, _, query = self.path.partition("?")
            if path == f"/{SECRET}":
                inbox.messages.append(json.loads(body))
            elif path == f"/{SECRET}/chat" and "&sign=" in query:
                inbox.chat.append(json.loads(body)["text"]["content"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"errcode": 0}')

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def served(inbox: Inbox, host: LabHost) -> Iterator[str]:
    """The URL at which a host reaches the inbox."""
    gateway = inside(host, "ip route show default").split()[2]
    with ThreadingHTTPServer((gateway, 0), handler(inbox)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{gateway}:{server.server_port}/{SECRET}"
        finally:
            server.shutdown()


def seen(what: str, seconds: float) -> None:
    """Tells how long an alert took: docs/monitoring.md has the figures."""
    print(f"SEEN {what}: {seconds:.0f} s")
