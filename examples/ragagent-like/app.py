"""The ASGI application: hands documents to the writer, answers from the index."""

from __future__ import annotations

import os
import time
import uuid
from collections import OrderedDict

from fastapi import FastAPI, Request
from pydantic import BaseModel, Field

from store import INBOX, read

# A model that takes its time to load, in every worker.
time.sleep(float(os.environ.get("MODEL_LOAD_SECONDS", "0")))

app = FastAPI(title="RAGAgent-like")
cache: OrderedDict[str, bytes] = OrderedDict()


class Document(BaseModel):
    """A text for the index."""

    text: str = Field(min_length=1)


@app.get("/api/v1/health")
def health() -> dict[str, str | int]:
    """More than the public should know: not for the public."""
    return {
        "status": "ok",
        "mode": "memory",
        "version": read()["version"],
        "redis_url": os.environ.get("REDIS_URL", ""),
    }


@app.post("/api/v1/documents", status_code=202)
def add(document: Document) -> dict[str, str]:
    """Leaves a document to the writer."""
    name = uuid.uuid4().hex
    partial = INBOX / f"{name}.part"
    partial.write_text(document.text, encoding="utf-8")
    partial.rename(INBOX / f"{name}.txt")
    return {"id": name}


@app.get("/api/v1/search")
def search(word: str) -> dict[str, object]:
    """The documents with a word in them, and who wrote the index."""
    index = read()
    hits = [name for name, words in index["documents"].items() if word in words]
    return {"documents": hits, "writer": index["writer"], "process": os.getpid()}


@app.post("/api/v1/upload")
async def upload(request: Request) -> dict[str, int]:
    """Counts the bytes of a body."""
    size = 0
    async for part in request.stream():
        size += len(part)
    return {"size": size}


@app.post("/api/v1/cache")
def fill(megabytes: int) -> dict[str, int]:
    """Keeps vectors in memory without an end, as a cache without a limit does."""
    cache[uuid.uuid4().hex] = os.urandom(1024 * 1024) * megabytes
    return {"entries": len(cache)}
