"""Tasks in SQLite, shared by web workers and task executors; outlives releases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATH = Path("data/ragflow.db")

SCHEMA = """
CREATE TABLE IF NOT EXISTS task (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    tokens INTEGER,
    executor TEXT
);
CREATE TABLE IF NOT EXISTS initialisation (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    process INTEGER NOT NULL
);
"""


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """A connection; its changes are committed when the block ends without an error."""
    connection = sqlite3.connect(PATH, timeout=30)
    connection.row_factory = sqlite3.Row
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def claim(connection: sqlite3.Connection, executor: str) -> sqlite3.Row | None:
    """The oldest task that nobody works on, now this executor's."""
    row: sqlite3.Row | None = connection.execute(
        "UPDATE task SET executor = ? WHERE id = "
        "(SELECT min(id) FROM task WHERE executor IS NULL) RETURNING id, text",
        (executor,),
    ).fetchone()
    return row
