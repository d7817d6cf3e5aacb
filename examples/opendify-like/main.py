"""An OpenAI-compatible gateway with several models, each an application of another service.

Which models there are comes as JSON in MODEL_CONFIG; which conversation there belongs to which here
is kept in SQLite, in one directory for all instances.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue

DATABASE = Path("data/conversation_mappings.db")
API_BASE = os.environ.get("DIFY_API_BASE", "")
MODEL_CONFIG = os.environ.get("MODEL_CONFIG", "{}")
MODELS = json.loads(MODEL_CONFIG)

app = Flask(__name__)


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """A connection; instances wait for one another's writes."""
    connection = sqlite3.connect(DATABASE, timeout=30)
    try:
        with connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS mapping (conversation TEXT PRIMARY KEY, remote TEXT)"
            )
            yield connection
    finally:
        connection.close()


@app.after_request
def served_by(response: Response) -> Response:
    """Tells instances apart: each has a master process of its own."""
    response.headers["X-Served-By"] = str(os.getppid())
    return response


@app.get("/v1/models")
def models() -> ResponseReturnValue:
    """The models, as OpenAI's interface lists them. Answers with none where nothing is set."""
    items = [{"id": name, "object": "model", "owned_by": "dify"} for name in MODELS]
    return jsonify(object="list", data=items)


@app.get("/v1/models/config")
def config() -> ResponseReturnValue:
    """The variable as the process got it; not for the public."""
    return Response(MODEL_CONFIG, mimetype="application/json")


@app.get("/v1/conversation/mappings")
def mappings() -> ResponseReturnValue:
    """Every conversation; not for the public."""
    with database() as connection:
        return jsonify(dict(connection.execute("SELECT conversation, remote FROM mapping")))


@app.post("/v1/chat/completions")
def chat() -> ResponseReturnValue:
    """Answers with the words of the question, at once or as a stream of events."""
    body = request.get_json()
    if body.get("model") not in MODELS:
        return jsonify(error={"message": "no such model", "type": "invalid_request_error"}), 404
    conversation = str(body.get("conversation_id", "default"))
    with database() as connection:
        connection.execute(
            "INSERT OR IGNORE INTO mapping VALUES (?, ?)", (conversation, os.urandom(8).hex())
        )
    words = str(body["messages"][-1]["content"]).split()
    if body.get("stream"):
        return Response(events(words), mimetype="text/event-stream")
    message = {"role": "assistant", "content": " ".join(words)}
    return jsonify(object="chat.completion", choices=[{"index": 0, "message": message}])


def events(words: list[str]) -> Iterator[str]:
    """One event per word, half a second apart, as a model would."""
    for word in words:
        chunk = {"object": "chat.completion.chunk", "choices": [{"delta": {"content": word}}]}
        yield f"data: {json.dumps(chunk)}\n\n"
        time.sleep(0.5)
    yield "data: [DONE]\n\n"


if __name__ == "__main__":
    app.run(
        host=os.environ.get("SERVER_HOST", "127.0.0.1"),
        port=int(os.environ.get("SERVER_PORT", "5000")),
        debug=os.environ.get("ENVIRONMENT") == "development",
    )
