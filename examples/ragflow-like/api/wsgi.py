"""The WSGI application: no initialisation, no threads, so that preloading it is safe."""

from __future__ import annotations

import os

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from api.store import database

app = Flask(__name__)
LOADED_IN = os.getpid()
"""The process that imported this: the gunicorn master, where it is preloaded."""


@app.get("/v1/system/healthz")
def healthz() -> ResponseReturnValue:
    """Healthy when the database answers."""
    with database() as connection:
        connection.execute("SELECT count(*) FROM task")
    return jsonify(status="ok")


@app.get("/v1/system/status")
def status() -> ResponseReturnValue:
    """What the test of a deployment wants to know."""
    with database() as connection:
        initialisations = connection.execute("SELECT count(*) FROM initialisation").fetchone()[0]
    return jsonify(
        initialisations=initialisations,
        loaded_in=LOADED_IN,
        parent=os.getppid(),
        process=os.getpid(),
        proxies=sorted(name for name in os.environ if name.lower().endswith("_proxy")),
    )


@app.post("/v1/document/upload")
def upload() -> ResponseReturnValue:
    """Takes a document of any size and counts its bytes, without keeping it in memory."""
    size = 0
    while part := request.stream.read(1024 * 1024):
        size += len(part)
    return jsonify(size=size)


@app.post("/api/v1/tasks")
def queue() -> ResponseReturnValue:
    """Queues texts for the task executors."""
    texts = request.get_json()["texts"]
    with database() as connection:
        ids = [
            connection.execute("INSERT INTO task (text) VALUES (?)", (text,)).lastrowid
            for text in texts
        ]
    return jsonify(ids=ids), 202


@app.get("/api/v1/tasks")
def tasks() -> ResponseReturnValue:
    """All tasks, with the executor that did each and what came out."""
    with database() as connection:
        rows = connection.execute("SELECT id, tokens, executor FROM task ORDER BY id").fetchall()
    return jsonify([dict(row) for row in rows])
