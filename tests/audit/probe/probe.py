"""Writes down every request that reaches it, and says which one it answers."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

SEEN = Path(__file__).with_name("seen") / "requests"
PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>probe</title><link rel="stylesheet" href="/static/page.css">
%s</head><body><p>It works</p></body></html>
"""
# As an application with sessions has it.
COOKIE = "session=1; Path=/; Secure; HttpOnly; SameSite=Lax"
LARGE = 200_000
SCRIPT = "<script>document.documentElement.dataset.ready = 'yes'</script>\n"


def answer(method: str, target: str, body: int) -> tuple[str, bytes]:
    """Media type and body of the answer."""
    line = json.dumps({"method": method, "target": target, "body": body}) + "\n"
    with os.fdopen(os.open(SEEN, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640), "wb") as log:
        log.write(line.encode())
    if target.startswith("/large"):
        return "text/plain", b"a" * LARGE
    if target == "/":
        return "text/html; charset=utf-8", (PAGE % (SCRIPT * ("INLINE" in os.environ))).encode()
    return "application/json", line.encode()


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """WSGI."""
    body = len(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    target = environ.get("RAW_URI") or environ["REQUEST_URI"]
    kind, text = answer(environ["REQUEST_METHOD"], target, body)
    fields = [("Content-Type", kind), ("Content-Length", str(len(text)))]
    start_response("200 OK", [*fields, *([("Set-Cookie", COOKIE)] if target == "/" else [])])
    return [text]


async def asgi(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """ASGI."""
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    body, more = 0, True
    while more:
        message = await receive()
        body += len(message.get("body", b""))
        more = message.get("more_body", False)
    query = scope["query_string"].decode("latin-1")
    target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    kind, text = answer(scope["method"], target, body)
    fields = {"content-type": kind, "content-length": str(len(text))}
    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})
