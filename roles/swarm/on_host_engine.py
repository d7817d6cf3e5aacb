"""Requests to Docker Engine over its socket, which only root can open: nothing that is sent appears
in an argument list. Runs on the host. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import quote

SOCKET = "/run/docker.sock"
PATIENCE = 60.0


class EngineError(Exception):
    """Docker Engine refused a request; the message says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(SOCKET)


def ask(method: str, path: str, body: Any = None) -> Any:
    """The answer to a request. Raises EngineError if it is refused, OSError if nobody answers."""
    connection = _Connection("docker")
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told = answer.read().decode("utf-8", "replace")
        if answer.status >= 400:
            raise EngineError(answer.status, _reason(told))
        return json.loads(told) if told.strip() else None
    finally:
        connection.close()


def _reason(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()


def filters(**wanted: list[str]) -> str:
    """The part of a path that filters a list."""
    return "filters=" + quote(json.dumps(wanted))
