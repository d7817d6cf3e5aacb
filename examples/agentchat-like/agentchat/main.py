"""The ASGI application: an interface under /api/v1, a WebSocket, a stream of events."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from agentchat.settings import load
from agentchat.storage import CACHED_SECONDS, KEY, cache, database

SETTINGS = load()

app = FastAPI(title="AgentChat-like")


@app.get("/health")
async def health() -> dict[str, str]:
    """Healthy when the default data is there."""
    names = await asyncio.to_thread(tools)
    return {"status": "ok" if names else "empty"}


@app.get("/api/v1/tools")
def tools() -> list[str]:
    """The names of all tools, each as often as it is stored; from the cache for some seconds."""
    known = cache()
    if stored := known.get(KEY):
        return list(json.loads(str(stored)))
    with database() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM tool ORDER BY id")
        names = [row[0] for row in cursor.fetchall()]
    known.set(KEY, json.dumps(names), ex=CACHED_SECONDS)
    return names


@app.get("/api/v1/settings")
async def settings() -> dict[str, str | int]:
    """What the configuration file gave this process; the password only as its digest."""
    password = str(SETTINGS["database"]["password"]).encode()
    return {
        "name": SETTINGS["server"]["name"],
        "password_sha256": hashlib.sha256(password).hexdigest(),
        "process": os.getpid(),
    }


@app.get("/api/v1/chat/stream")
async def stream(text: str) -> StreamingResponse:
    """The words of `text`, one event each, half a second apart."""

    async def events() -> AsyncIterator[str]:
        for word in text.split():
            yield f"data: {word}\n\n"
            await asyncio.sleep(0.5)

    return StreamingResponse(events(), media_type="text/event-stream")


@app.websocket("/api/v1/chat/ws")
async def chat(socket: WebSocket) -> None:
    """Answers every message."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(f"you said: {await socket.receive_text()}")
    except WebSocketDisconnect:
        return
