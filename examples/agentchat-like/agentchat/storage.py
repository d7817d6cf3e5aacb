"""The database and the cache."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pymysql
import redis
from pymysql.connections import Connection

from agentchat.settings import load

CACHED_SECONDS = 5
KEY = "agentchat:tools"
"""All keys begin with the application's name: it may use no others."""

SLOTS = threading.BoundedSemaphore(10)
"""A process opens no more connections than the manifest says (`pool`)."""


@contextmanager
def database() -> Iterator[Connection]:
    """A connection to the database, whose changes are stored at its end."""
    with SLOTS:
        yield from _database()


def _database() -> Iterator[Connection]:
    settings = load()["database"]
    connection = pymysql.connect(
        host=settings["host"],
        port=int(settings["port"]),
        user=settings["user"],
        password=settings["password"],
        database=settings["name"],
        charset="utf8mb4",
    )
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()


def cache() -> redis.Redis:
    """The cache."""
    return redis.Redis.from_url(load()["redis"]["endpoint"], decode_responses=True)
