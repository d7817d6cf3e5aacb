"""Notes in a database, counted in a cache, with a queue for a worker: an example of `needs`."""

from __future__ import annotations

import os
import sys
import time

import redis
import sqlalchemy as sa
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

metadata = sa.MetaData()
notes = sa.Table(
    "notes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("text", sa.String(200), nullable=False),
)
# Connections that a restart of the database has closed are replaced before they are used.
engine = sa.create_engine(
    os.environ["DATABASE_URL"], pool_pre_ping=True, pool_size=4, max_overflow=0
)
cache = redis.Redis.from_url(os.environ["CACHE_URL"])
jobs = redis.Redis.from_url(os.environ["JOBS_URL"])
app = Flask(__name__)


@app.get("/health")
def health() -> ResponseReturnValue:
    """Healthy if everything that it needs answers."""
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
    cache.ping()
    jobs.ping()
    return jsonify(status="ok")


@app.get("/notes")
def read() -> ResponseReturnValue:
    """Number of the notes, sum of their ids, jobs that were done, and how often this was asked."""
    with engine.connect() as connection:
        number, total = connection.execute(
            sa.select(sa.func.count(), sa.func.sum(notes.c.id))
        ).one()
    done, asked = int(jobs.get("notes:done") or 0), cache.incr("notes:asked")
    return jsonify(number=number, total=int(total or 0), done=done, asked=asked)


@app.post("/notes")
def write() -> ResponseReturnValue:
    """Adds a note. The answer comes when it is stored."""
    with engine.begin() as connection:
        result = connection.execute(notes.insert().values(text=request.get_data(as_text=True)))
        number = result.inserted_primary_key[0]
    return jsonify(id=number)


@app.post("/jobs")
def enqueue() -> ResponseReturnValue:
    """Gives the worker a job."""
    return jsonify(waiting=jobs.rpush("notes:jobs", request.get_data()))


def migrate() -> None:
    """Creates the table."""
    metadata.create_all(engine)


def work() -> None:
    """Does jobs until it is stopped. A server that restarts meanwhile is waited for."""
    while True:
        try:
            if jobs.blpop(["notes:jobs"], timeout=2):
                jobs.incr("notes:done")
        except (redis.ConnectionError, redis.TimeoutError):
            time.sleep(1)


if __name__ == "__main__":
    {"migrate": migrate, "work": work}[sys.argv[1]]()
