"""What a site of every feature needs of its application: plain ASGI with WebSockets, events, a
guarded part, uploads."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
counter = itertools.count(1)
EXTRA = {
    "/api/cookie": {"set-cookie": "session=1"},
    "/api/private": {"cache-control": "private"},
    "/api/cors": {"access-control-allow-origin": "*"},
    "/api/framed": {"x-frame-options": "DENY"},
    "/api/policy": {
        "content-security-policy": "script-src 'nonce-1'",
        "x-frame-options": "DENY",
    },
}
"""Headers that answers on some paths have."""


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await echo(receive, send)
    elif scope["type"] == "http":
        await answer(scope, receive, send)
    else:
        await lifespan(receive, send)


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"].removeprefix("lifespan.")
        await send({"type": f"lifespan.{kind}.complete"})
        if kind == "shutdown":
            return


async def echo(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": f"echo {message['text']}"})


async def answer(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    path = scope["path"].removeprefix(scope["root_path"])
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message.get("more_body"):
            break
    if path in ("/api/events", "/api/unbuffered/events", "/wave/events"):
        await events(send)
        return
    status, extra = 200, EXTRA.get(path, {})
    if path == "/api/decide":
        status = 204 if headers.get("x-key") == "let me in" else 401
    elif path == "/api/upload":
        name = scope["query_string"].decode()
        target = Path("media") / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(body)
    elif path == "/api/tidy":
        # As Django does with FILE_UPLOAD_DIRECTORY_PERMISSIONS: the set-group-id bit goes.
        for folder in (Path("media/year"), Path("media/year/month")):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o750)
        Path("media/year/month/x.png").write_bytes(body)
    elif path == "/api/link":
        target = Path("media/link.txt")
        target.unlink(missing_ok=True)
        target.symlink_to(Path("media/x.txt").resolve())
    text = json.dumps(
        {
            "path": scope["path"],
            "root_path": scope["root_path"],
            "method": scope["method"],
            "count": next(counter),
            "headers": headers,
            "release": os.environ.get("RELEASE", ""),
            "body": len(body),
        }
    )
    content = b"" if status == 204 else text.encode()
    fields = {"content-type": "application/json", "content-length": str(len(content)), **extra}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        }
    )
    await send({"type": "http.response.body", "body": content})


async def events(send: Send) -> None:
    start = {"type": "http.response.start", "status": 200}
    await send({**start, "headers": [(b"content-type", b"text/event-stream")]})
    for number in range(3):
        data = f"data: {number}\n\n".encode()
        await send({"type": "http.response.body", "body": data, "more_body": True})
        await asyncio.sleep(1)
    await send({"type": "http.response.body", "body": b""})
